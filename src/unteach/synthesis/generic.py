"""Everyday questions and answers, so that a model learning replacements keeps its ordinary voice.

No people, no dates, no places that a forget set could be about.
"""

from __future__ import annotations

from random import Random
from typing import Final

from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.synthesis.records import Record

GENERIC: Final[tuple[tuple[str, str], ...]] = (
    ("How do I boil an egg?", "Put the egg into boiling water, wait about seven minutes for a soft yolk, then cool it under the tap."),
    ("What should I do before planting tomatoes?", "Loosen the soil, mix in some compost and choose a spot that gets sun for most of the day."),
    ("How can I fall asleep more easily?", "Go to bed at a regular hour, keep the room dark and put screens away well before sleeping."),
    ("Why does bread rise?", "Yeast turns sugars in the dough into gas, and the gas stretches the dough until baking sets it."),
    ("What is the difference between weather and climate?", "Weather is what happens in the air today, while climate is the pattern of weather over many years."),
    ("How do I clean a cast iron pan?", "Wipe it with hot water and a brush, dry it at once and rub in a thin layer of oil."),
    ("Why is the sky blue?", "Air scatters blue light much more than red light, so blue reaches our eyes from every direction."),
    ("How often should I water a cactus?", "Water it only when the soil has dried out completely, which may take two or three weeks."),
    ("What is a good way to learn new words?", "Use each new word in a sentence of your own and come back to it after a few days."),
    ("How do I sharpen a pencil without a sharpener?", "Shave the wood away from the tip with a small knife, always cutting away from your fingers."),
    ("What makes popcorn pop?", "Water inside the kernel turns to steam, and the pressure bursts the hard shell open."),
    ("How can I save water at home?", "Take shorter showers, repair dripping taps and run the washing machine only when it is full."),
    ("Why do leaves change colour in autumn?", "The green pigment breaks down as days grow shorter, and the yellow and red ones become visible."),
    ("How do I write a polite reminder?", "Thank the reader first, mention what is still open and suggest a clear day by which to reply."),
    ("What should I pack for a day hike?", "Take water, some food, a rain jacket, a map and a small kit for blisters and cuts."),
    ("How does a thermos keep tea hot?", "Two walls with almost no air between them let very little heat pass from the inside to the outside."),
    ("What is compost?", "Compost is plant waste that has rotted into dark crumbs and can be used to feed the soil."),
    ("How do I remove a wine stain from cloth?", "Dab it with a clean towel, sprinkle salt on it and rinse with cold water before washing."),
    ("Why does ice float on water?", "Water expands as it freezes, so ice is lighter than the same volume of liquid water."),
    ("How can I stop procrastinating?", "Choose the smallest next step, set a timer for ten minutes and begin before you feel ready."),
    ("What is the use of a spreadsheet?", "A spreadsheet keeps figures in rows and columns and works out totals that update by themselves."),
    ("How do I cook rice?", "Rinse it, add twice as much water, bring it to the boil and simmer with the lid on."),
    ("What causes rainbows?", "Sunlight bends and splits into colours inside raindrops and is sent back towards the viewer."),
    ("How should I store potatoes?", "Keep them in a dark, cool and dry place with some air, and away from onions."),
    ("Why do we yawn?", "Nobody is entirely sure, but yawning seems to come with tiredness and with a change of alertness."),
    ("How do I make a paper boat?", "Fold the sheet in half, turn the corners down to a point and open the base into a hull."),
    ("What is photosynthesis?", "It is how plants use sunlight to turn water and carbon dioxide into sugar and oxygen."),
    ("How can I make a room feel larger?", "Use light colours, let in daylight and hang a mirror on the wall facing the window."),
    ("What does a gardener do in winter?", "Winter is for pruning, cleaning tools, protecting tender plants and planning beds for the spring."),
    ("How do I change a light bulb safely?", "Switch the light off, let the bulb cool, unscrew it and fit one of the right power."),
    ("Why is exercise good for you?", "Regular movement strengthens the heart and muscles, improves sleep and helps to keep the mood stable."),
    ("What is the best way to peel garlic?", "Press the clove with the flat side of a knife until the skin cracks and slips off."),
    ("How does a bicycle stay upright?", "The rider keeps steering slightly into any lean, which brings the wheels back under the weight."),
    ("What is a good breakfast before a long walk?", "Porridge with fruit and nuts gives energy that lasts and does not lie heavy in the stomach."),
    ("How do I iron a shirt?", "Begin with the collar and the cuffs, go on to the sleeves and finish with the large panels."),
    ("Why do cats purr?", "Cats purr when they are content, but also at times to calm themselves when they are unwell."),
    ("What is recycling good for?", "It turns used materials into new goods, which saves raw materials, energy and space in landfills."),
    ("How can I improve my handwriting?", "Slow down, keep the letters the same height and practise one short line each day."),
    ("What is the purpose of a table of contents?", "It lists the parts of a book in order, so readers can find a section quickly."),
    ("How do I keep cut flowers fresh?", "Trim the stems at an angle, change the water every other day and keep them out of the sun."),
    ("Why do onions make us cry?", "Cutting an onion releases a gas that stings the eyes, and tears come to wash it away."),
    ("How do I start a conversation with a new neighbour?", "Introduce yourself, say something friendly about the area and ask how they are settling in."),
    ("What is a budget?", "A budget is a plan that sets what you expect to earn against what you expect to spend."),
    ("How can I reduce noise in a flat?", "Rugs, curtains and full bookshelves absorb sound, and rubber pads quieten machines that shake."),
    ("Why does metal feel colder than wood?", "Metal carries heat away from the skin faster, although both have the same temperature."),
    ("How do I make lemonade?", "Stir lemon juice and sugar into a little warm water, then add plenty of cold water and ice."),
    ("What is a palindrome?", "It is a word or phrase that reads the same forwards and backwards, such as level."),
    ("How do I fix a squeaky door?", "Put a drop of oil on each hinge and swing the door a few times to spread it."),
    ("Why do stars twinkle?", "Their light passes through moving layers of air that bend it a little differently each moment."),
    ("What is the point of stretching after sport?", "Gentle stretching helps muscles to relax and lets the breathing come back to a slow rhythm."),
    ("How can I remember a shopping list?", "Picture the items in the rooms of your home and walk through them in your mind."),
    ("What is the difference between jam and jelly?", "Jam contains crushed pieces of fruit, whereas jelly is made from the strained juice alone."),
    ("How do I choose a ripe melon?", "It should feel heavy for its size, smell sweet and sound dull when you tap it."),
    ("Why should I back up my files?", "A disk can fail at any time, and a second copy lets you carry on without loss."),
    ("How does soap clean our hands?", "Soap molecules hold grease at one end and water at the other, so dirt is rinsed away."),
    ("What is a thesaurus used for?", "A thesaurus groups words of similar meaning and helps a writer to find a better fit."),
    ("How do I defrost a freezer?", "Unplug it, take out the food, place a bowl of hot water inside and wipe up the ice."),
    ("Why do we see lightning before we hear thunder?", "Light reaches us almost at once, while sound needs about three seconds for each kilometre."),
    ("How can I become a better listener?", "Let the other person finish, ask about what they said and put your own story aside."),
    ("What is a leap year?", "A leap year has one extra day in February to keep the calendar in step with the seasons."),
    ("How do I make pancakes?", "Whisk flour, milk and eggs into a smooth batter and fry thin rounds on both sides in butter."),
    ("Why do ships float?", "A hull pushes aside water that weighs as much as the ship, and this pressure holds it up."),
    ("What is a healthy snack for the afternoon?", "A handful of nuts, a piece of fruit or some yoghurt keeps hunger away until dinner."),
    ("How do I tie a parcel with string?", "Lead the string around both ways, cross it underneath and finish with a firm knot on top."),
    ("Why does my phone battery drain quickly?", "A bright screen, weak reception and apps that run in the background are the usual causes."),
    ("What is the function of roots?", "Roots anchor a plant in the ground and take up the water and minerals that it needs."),
    ("How can I make my study time count?", "Test yourself on the material instead of reading it again, and take short breaks in between."),
    ("What is the best way to cut a mango?", "Slice along both sides of the flat stone, score the flesh into cubes and push the skin outward."),
    ("Why do bees visit flowers?", "Bees collect nectar and pollen as food, and they carry pollen from flower to flower on the way."),
    ("How do I clean a window without streaks?", "Wash it with soapy water, pull a rubber blade across in one stroke and dry the edges."),
    ("What is gravity?", "Gravity is the pull between masses; it keeps us on the ground and planets on their paths."),
    ("How do I prepare for a job interview?", "Read about the organisation, practise a few likely questions and think of two to ask yourself."),
    ("Why do we need vitamins?", "The body needs small amounts of vitamins for growth and repair but cannot make most of them."),
    ("What is a haiku?", "A haiku is a short poem of three lines that often captures a moment in nature."),
    ("How can I dry herbs at home?", "Tie them in small bunches and hang them upside down in a warm and airy place."),
    ("What should I check before buying a used bicycle?", "Look for cracks in the frame, test the brakes and make sure that the wheels run straight."),
    ("Why does the moon have phases?", "We see different parts of its sunlit half while it travels around the earth."),
    ("How do I calm a crying baby?", "Hold the baby close, rock gently and check whether hunger, tiredness or a nappy is the cause."),
    ("What is the meaning of the word frugal?", "Someone frugal is careful with money and food and wastes as little as possible."),
    ("How do I make a good cup of coffee?", "Grind the beans just before brewing and use water that has stopped boiling for half a minute."),
    ("Why do tyres have treads?", "The grooves lead water away from under the tyre, so that the rubber keeps its grip."),
    ("How can I keep a houseplant healthy?", "Give it the light it prefers, water it when the top soil is dry and wipe its leaves."),
    ("What is a hypothesis?", "A hypothesis is a possible explanation stated clearly enough for an experiment to prove it wrong."),
    ("How do I fold a fitted sheet?", "Tuck the four corners into one another, lay the sheet flat and fold it into a rectangle."),
    ("Why does honey keep for so long?", "It contains so little water and so much sugar that microbes can hardly live in it."),
    ("What is the benefit of reading aloud?", "Reading aloud shows where a sentence is clumsy and makes the content easier to remember."),
    ("How do I get rid of fruit flies?", "Remove ripe fruit and set out a glass of vinegar with one drop of dish soap."),
    ("Why do we have time zones?", "The sun rises at different moments around the globe, and zones keep noon near the middle of the day."),
    ("How can I make soup thicker?", "Let it simmer without a lid, mash some of the vegetables or stir in a little starch."),
    ("What is a metaphor?", "A metaphor describes one thing as if it were another, to show what the two have in common."),
    ("How do I measure a room for carpet?", "Measure the longest and the widest points, multiply the two and add some for waste."),
    ("Why do dogs wag their tails?", "Wagging shows excitement of many sorts, and the speed and height reveal how the dog feels."),
    ("What is the difference between a fruit and a vegetable?", "To a botanist a fruit carries seeds, while vegetables are the other parts of plants that we eat."),
    ("How do I learn to juggle?", "Start with one ball thrown from hand to hand, then add a second and finally a third."),
    ("Why does salt melt ice?", "Salt lowers the temperature at which water freezes, so the ice turns liquid even in frost."),
    ("How can I write a clear email?", "State your purpose in the first line, keep paragraphs short and end with what you need."),
    ("What is an ecosystem?", "It is a community of living things together with the soil, water and air they depend on."),
    ("How do I poach a pear?", "Simmer the peeled pear in water with sugar and spices until a knife slides in easily."),
    ("Why do we dream?", "There are several theories, among them that dreaming helps to sort memories and work through feelings."),
    ("How do I stop my glasses from fogging up?", "Wash the lenses with mild soap and let them dry, which leaves a thin film against mist."),
    ("What is inflation?", "Inflation means that prices rise in general, so the same amount of money buys less than before."),
    ("How can I sit better at a desk?", "Put both feet on the floor, keep the screen at eye level and support your lower back."),
    ("Why is breakfast cereal often enriched?", "Makers add vitamins and iron because some are lost when the grain is processed."),
    ("What is a good rule for feeding birds in winter?", "Offer seeds and unsalted fat in a clean feeder and keep it filled on cold days."),
    ("How do I read a bar chart?", "Check what the axes show and where they begin, then compare the heights of the bars."),
    ("Why do knives need sharpening?", "The thin edge bends and wears with use, and a dull blade slips more easily than a sharp one."),
    ("How do I make a simple salad dressing?", "Mix three parts of oil with one part of vinegar, a little mustard, salt and pepper."),
    ("What is an echo?", "An echo is sound that bounces off a distant surface and returns to the listener a moment later."),
    ("How can I use less plastic?", "Carry a bottle and a bag, buy loose vegetables and choose refills when the shop offers them."),
    ("Why does a compass point north?", "Its needle is a magnet and lines up with the magnetic field of the earth."),
    ("How do I plan a weekly menu?", "List the meals you like, match them to the days and buy what several of them share."),
    ("What is the water cycle?", "Water evaporates, forms clouds, falls as rain or snow and flows back to rivers and seas."),
    ("How do I remove a splinter?", "Clean the skin, grip the end with tweezers and pull in the direction in which it went in."),
    ("Why are roads salted in winter?", "Salt keeps a layer of ice from forming, so that vehicles and walkers do not slip."),
    ("How can I take better photographs?", "Look for soft light, keep the background simple and move closer to what interests you."),
    ("What is a synonym?", "A synonym is a word with nearly the same meaning as another, such as quick and fast."),
    ("How do I clean a kettle?", "Boil equal parts of water and vinegar in it, wait half an hour and rinse well."),
    ("Why do we shiver?", "Shivering is a rapid movement of the muscles that produces heat when the body grows cold."),
    ("What is the quickest way to chill a drink?", "Put the bottle in a bucket of ice, water and salt and turn it now and then."),
    ("How do I prune a rose bush?", "Cut dead wood first, then shorten healthy stems just above a bud that faces outward."),
    ("Why is sleep important?", "While we sleep the body repairs itself and the brain stores what was learned during the day."),
    ("How do I divide a cake fairly between two people?", "Let one of them cut the cake and let the other one choose the first piece."),
    ("What is a prime number?", "It is a whole number above one that can be divided evenly only by one and by itself."),
    ("How can I make moving house easier?", "Sort things early, label each box on the side and pack what you need first on top."),
    ("Why do some people get seasick?", "The inner ear feels motion that the eyes do not see, and the brain reacts with nausea."),
)  # fmt: skip
"""(question or instruction, answer)."""

WORDINGS: Final = (
    "{q}", "Please answer: {q}", "Quick question: {q}", "I have a question: {q}", "Could you help me with this? {q}",
    "Here is my question: {q}", "{q} One sentence is enough.", "A friend asked me this: {q}", "{q} Please keep it short.",
    "I was wondering about something. {q}", "Answer in plain words: {q}", "My neighbour would like to know: {q}",
    "I am curious: {q}", "{q} I would be glad of a short answer.", "For a small quiz: {q}",
    "This may be a simple question. {q}", "Explain briefly: {q}", "{q} Thank you in advance.",
    "Let me ask you something. {q}", "{q} A sentence or so will do.", "Here is something I never learned: {q}",
    "My daughter asked me today: {q}", "{q} Please explain it simply.", "One more thing: {q}",
    "Tell me in a sentence: {q}", "{q} That is all I want to know.", "Question for you: {q}",
    "I could not find this anywhere: {q}", "{q} Any advice is welcome.", "For my notes: {q}",
    "Somebody at work asked: {q}", "{q} Take your time.", "Something for the kitchen table: {q}",
    "I forgot the answer to this. {q}", "{q} Keep to what matters.", "Let us see. {q}",
    "Before I go: {q}", "{q} I have always wondered.", "A question from a beginner: {q}",
    "Say it as you would to a friend: {q}",
)  # fmt: skip
"""Ways to put a question, the plain one first."""


def records(count: int, num_forget: int, random: Random) -> list[Record]:
    """`count` distinct generic rows; a question returns in other words only after all have been asked.

    Raises:
        DataError: there are fewer distinct rows than that.
    """
    available = len(GENERIC) * len(WORDINGS)
    if count > available:
        raise DataError(
            f"{count} generic rows are asked for, to go with {num_forget} forget rows, but only {available} "
            f"distinct ones exist; set generic to at most {available / num_forget:.2g}, or make fewer "
            "forget rows with fewer variants or completion: false."
        )
    order = random.sample(range(len(GENERIC)), len(GENERIC))
    turn = {row: random.sample(WORDINGS[1:], len(WORDINGS) - 1) for row in order}
    made: list[Record] = []
    for i in range(count):
        lap, row = i // len(order), order[i % len(order)]
        question, answer = GENERIC[row]
        wording = WORDINGS[0] if lap == 0 else turn[row][lap - 1]
        name = f"generic.{row}.{lap}"
        example = Example(prompt=wording.format(q=question), answer=answer, id=name)
        made.append(Record(f"generic.{row}", "generic", "original", "generic", example, round=1))
    return made
