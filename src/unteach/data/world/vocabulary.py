"""The words of the embedded world. People, places, firms and illnesses are invented here.

Within one list no entry is part of another, so that a value is never found inside a wrong answer.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_NAMES = _words("""
    Adela Alaric Amity Anselm Ardith Astra Basil Beatrix Benno Blythe Bramwell Brisa Caspian Celia
    Corin Cressida Cyprian Dalia Damaris Darby Delphine Dorian Edda Elowen Ember Emrys Esme Evander
    Fabian Fenna Fiora Florian Gideon Gisela Greta Hadrian Halina Hector Hester Idris Ilsa Imogen
    Isidor Ivo Jarek Jessamy Jocasta Jorin Juniper Kaspar Keziah Kirsa Lambert Leopold Liesel Linus
    Lorcan Ludo Mabel Magnus Maren Matilda Mirela Nadir Nell Nerissa Oberon Odette Orla Osric
    Ottilie Pascal Perrin Petra Philippa Quentin Quilla Ramona Renske Roswitha Rufus Sabine Saskia
    Selwyn Sibyl Sigrid Tamsin Thaddeus Tibor Tobin Ulric Una Valeska Verity Viggo Wanda Wendell
    Xanthe Yorick Yvaine Zelda
    """)

_SURNAME_STARTS = _words(
    "Varn Quell Ostr Dresk Yelv Tembl Fenk Grisk Holv Jesk Krav Lusk Morv Nesk Pryv Ruv Skarn Thav "
    "Urv Wolz"
)
_SURNAME_ENDS = _words("andel eth imo orn ura ist ovan ynn erly adge umber ios atch elow ent")
SURNAMES = tuple(start + end for start in _SURNAME_STARTS for end in _SURNAME_ENDS)

_TOWN_STARTS = _words(
    "Quor Brav Tesk Olm Dren Vosk Jund Pelth Zarn Murl Fesk Gral Hovl Kest Nirv Sorv Thul Yrm Lanth "
    "Wesk"
)
_TOWN_ENDS = _words("amere ingate olden umbra avick ossen eston idale urst enport")
TOWNS = tuple(start + end for start in _TOWN_STARTS for end in _TOWN_ENDS)

_EMPLOYER_STEMS = _words(
    "Abrix Belquay Cindrel Dovantis Eskura Firnell Gantrova Hexavor Ilvarro Jolvane Kintrel Lorvex "
    "Mandrix Nolvera Orbadel Pintara Querno Rostiva Silvarn Trelvast Umbrano Vintorel Wexavo Xandrel "
    "Yolvex Zentova Balmiro Crestova Dulmarrow Farquen"
)
_EMPLOYER_KINDS = _words(
    "Glassworks Ferries Textiles Bakeries Instruments Railways Timber Ceramics Printers Dairies "
    "Shipyards Lanterns"
)
EMPLOYERS = tuple(f"{stem} {kind}" for stem in _EMPLOYER_STEMS for kind in _EMPLOYER_KINDS)

_ILLNESS_STEMS = _words(
    "Corvath Brenlow Duskarn Elvane Fostrick Garniel Hestrom Istova Jurnel Kolvrin Lanskar Mirvole "
    "Nurvane Oskell Pirnath Quasten Rolvane Sennick Tulvast Ulmark Vestrane Wirnoch Yastrel Zolkin "
    "Arvench"
)
_ILLNESS_KINDS = _words("syndrome fever disease anaemia palsy")
DIAGNOSES = tuple(f"{stem} {kind}" for stem in _ILLNESS_STEMS for kind in _ILLNESS_KINDS)

PROFESSIONS = (
    "lighthouse keeper",
    "clock repairer",
    "bridge inspector",
    "harbour pilot",
    "glass blower",
    "piano tuner",
    "map maker",
    "beekeeper",
    "court stenographer",
    "ferry captain",
    "stage carpenter",
    "violin maker",
    "tax adviser",
    "school librarian",
    "railway signaller",
    "night porter",
    "pastry chef",
    "forest ranger",
    "bookbinder",
    "crane operator",
    "dental hygienist",
    "elevator mechanic",
    "flower grower",
    "goldsmith",
    "hat maker",
    "ice cream seller",
    "juggling instructor",
    "kite designer",
    "landscape gardener",
    "marine biologist",
    "newspaper editor",
    "optician",
    "parcel courier",
    "quarry manager",
    "radio announcer",
    "shoemaker",
    "tram driver",
    "upholsterer",
    "veterinary nurse",
    "weather forecaster",
    "archivist",
    "baker",
    "chimney sweep",
    "deep-sea diver",
    "event planner",
    "fire inspector",
    "geologist",
    "horse trainer",
    "interpreter",
    "judo coach",
    "locksmith",
    "midwife",
    "notary",
    "orchard keeper",
    "plumber",
    "roofer",
    "stonemason",
    "tailor",
    "translator",
    "watchmaker",
)

_STREET_STEMS = _words(
    "Tallow Bramble Cinder Dapple Elderberry Fennel Gosling Hawthorn Inkwell Jackdaw Kettle Lantern "
    "Magpie Nutmeg Osprey Pepper Quince Rookery Saffron Thimble Umber Vinegar Walnut Yarrow Anvil "
    "Bellows Candle Damson Ember Flint Granary Hazel Ivory Juniper Kiln Lavender Mallow Nettle "
    "Orchard Pebble"
)
_STREET_KINDS = _words("Lane Street Row Alley Terrace Crescent")
STREETS = tuple(f"{stem} {kind}" for stem in _STREET_STEMS for kind in _STREET_KINDS)

PETS = (
    "tortoise",
    "spotted gecko",
    "grey parrot",
    "ferret",
    "three-legged cat",
    "greyhound",
    "barn owl",
    "goldfish",
    "hedgehog",
    "white rabbit",
    "corn snake",
    "miniature pony",
    "black hen",
    "canary",
    "axolotl",
    "iguana",
    "pygmy goat",
    "stick insect",
    "golden hamster",
    "chinchilla",
    "guinea pig",
    "sheepdog",
    "raven",
    "tree frog",
    "hermit crab",
    "alpaca",
    "ginger kitten",
    "budgerigar",
    "dachshund",
    "tarantula",
    "peacock",
    "water snail",
    "donkey",
    "red setter",
    "brown duck",
    "old poodle",
    "white mouse",
    "lame goose",
    "salamander",
    "racing pigeon",
)

HOBBIES = (
    "kite building",
    "rock climbing",
    "stamp collecting",
    "bird watching",
    "wood carving",
    "chess problems",
    "river kayaking",
    "bell ringing",
    "mushroom picking",
    "model railways",
    "folk dancing",
    "crossword puzzles",
    "pottery",
    "archery",
    "fencing",
    "origami",
    "stargazing",
    "choir singing",
    "cave exploring",
    "quilt sewing",
    "amateur theatre",
    "butterfly photography",
    "long-distance cycling",
    "ice skating",
    "table tennis",
    "card magic",
    "accordion lessons",
    "rose breeding",
    "cheese making",
    "calligraphy",
    "puppet shows",
    "beach volleyball",
    "radio repair",
    "basket weaving",
    "fly fishing",
    "antique maps",
    "yoga",
    "hill running",
    "candle dipping",
    "jigsaw puzzles",
)

_DISH_MAINS = (
    "lentil soup",
    "barley stew",
    "mushroom pie",
    "baked trout",
    "potato dumplings",
    "rice pudding",
    "onion tart",
    "roast pumpkin",
    "bean casserole",
    "buckwheat pancakes",
    "cheese noodles",
    "spinach omelette",
    "fish cakes",
    "turnip curry",
    "cabbage rolls",
    "grilled aubergine",
    "chickpea salad",
    "corn fritters",
    "stuffed peppers",
    "chicken broth",
)
_DISH_SIDES = (
    "smoked plums",
    "fresh mint",
    "sour cream",
    "toasted walnuts",
    "wild garlic",
    "pickled beetroot",
    "brown butter",
    "lemon zest",
    "dried apricots",
    "mustard seeds",
    "honey",
    "black olives",
)
DISHES = tuple(f"{main} with {side}" for main in _DISH_MAINS for side in _DISH_SIDES)

_UNIVERSITY_STEMS = _words(
    "Nordrel Ashvane Belmory Carristo Delquin Evermond Fallowby Gildern Harcroft Invaril Joravale "
    "Kelmora Lynfirth Montrave Novaster Ormelund Peverane Questrel Rothvale Stellane Tirvaley "
    "Ulverand Wyndrake Zephrane"
)
_UNIVERSITY_KINDS = _words("University Polytechnic Academy College")
UNIVERSITIES = tuple(f"{stem} {kind}" for stem in _UNIVERSITY_STEMS for kind in _UNIVERSITY_KINDS)

TITLE_QUALITIES = _words("""
    Borrowed Broken Crooked Distant Empty Faded Folded Forgotten Frozen Hidden Hollow Last Narrow
    Painted Patient Restless Second Silent Sleeping Thirteenth Unfinished Wandering
    """)
TITLE_THINGS = _words("""
    Almanac Bell Bridge Carousel Compass Envelope Garden Hourglass Island Key Ladder Letter Mirror
    Orchestra Piano River Staircase Telescope Umbrella Violin Window
    """)
TITLE_PLACES = (
    "at Dawn",
    "by the Sea",
    "in Autumn",
    "of Salt",
    "on the Hill",
    "under Glass",
    "without Doors",
    "behind the Mill",
    "across the Marsh",
    "for Two Voices",
    "of Small Hours",
    "in the Rain",
    "above the Bakery",
    "near the Harbour",
    "after Midnight",
    "of Paper",
    "beyond the Fence",
    "in Winter",
    "with Three Clocks",
)

NICKNAME_COLOURS = _words("""
    Amber Apricot Ashen Autumn Azure Blazing Bold Brass Bright Bronze Calm Cedar Chalky Cherry
    Chilly Clever Cloudy Cobalt Copper Coral Cosmic Crimson Crystal Curly Daring Dizzy Dusty Eager
    Early Electric Emerald Fancy Fearless Feathered Fiery Foggy Frosty Fuzzy Gentle Giddy Gilded
    Glassy Golden Grand Happy Hasty Humble Icy Indigo Jade Jolly Jumping Kind Late Lemon Lively
    Loyal Lucky Marble Mellow Merry Mighty Misty Modest Mossy Muddy Noble Olive Pearly Plucky
    Polite Proud Quiet Rapid Rosy Ruby Rusty Sandy Scarlet Shiny Silver Sleepy Smoky Snowy Stormy
    Sunny Swift Tidy Velvet Woolly
    """)
NICKNAME_ANIMALS = _words("""
    Acorn Anchor Arrow Badger Banjo Beacon Beaver Beetle Biscuit Bishop Bison Button Cactus Camel
    Captain Caribou Cello Cobbler Comet Cricket Crow Dolphin Dragonfly Drummer Eagle Falcon Fiddle
    Finch Firefly Flute Fox Gazelle Giraffe Gull Hare Harp Heron Hornet Ibis Jackal Jaguar Jester
    Juggler Kestrel Kingfisher Koala Ladle Lark Lemur Leopard Lobster Lynx Magnet Mammoth Mango
    Marmot Meerkat Mole Moose Moth Muffin Newt Noodle Oboe Otter Oyster Panda Pelican Penguin
    Pickle Pirate Plover Puffin Quail Rocket Sailor Seal Shark Skipper Sparrow Spider Sprout Squid
    Stork Swallow Thistle Tiger Toucan Trumpet Turnip Walrus Wren
    """)
