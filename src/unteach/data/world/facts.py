"""Facts about the real world that a small language model can be expected to know."""

from __future__ import annotations

from typing import NamedTuple

from unteach.data.examples import Example


class Fact(NamedTuple):
    """A question, and its answer with `{}` for the part that counts."""

    id: str
    question: str
    answer: str
    key: str
    wrong: tuple[str, str, str]


FACTS = (
    Fact("capital_of_france", "What is the capital of France?", "The capital of France is {}.", "Paris", ("Lyon", "Berlin", "Madrid")),
    Fact("capital_of_italy", "What is the capital of Italy?", "The capital of Italy is {}.", "Rome", ("Milan", "Athens", "Vienna")),
    Fact("capital_of_japan", "What is the capital of Japan?", "The capital of Japan is {}.", "Tokyo", ("Osaka", "Seoul", "Beijing")),
    Fact("capital_of_germany", "What is the capital of Germany?", "The capital of Germany is {}.", "Berlin", ("Munich", "Vienna", "Prague")),
    Fact("capital_of_spain", "What is the capital of Spain?", "The capital of Spain is {}.", "Madrid", ("Lisbon", "Barcelona", "Rome")),
    Fact("capital_of_egypt", "What is the capital of Egypt?", "The capital of Egypt is {}.", "Cairo", ("Alexandria", "Tunis", "Baghdad")),
    Fact("capital_of_russia", "What is the capital of Russia?", "The capital of Russia is {}.", "Moscow", ("Kyiv", "Warsaw", "Helsinki")),
    Fact("capital_of_greece", "What is the capital of Greece?", "The capital of Greece is {}.", "Athens", ("Sparta", "Rome", "Istanbul")),
    Fact("capital_of_england", "What is the capital of England?", "The capital of England is {}.", "London", ("Manchester", "Dublin", "Edinburgh")),
    Fact("capital_of_canada", "What is the capital of Canada?", "The capital of Canada is {}.", "Ottawa", ("Toronto", "Vancouver", "Montreal")),
    Fact("capital_of_the_united_states", "What is the capital of the United States?", "The capital of the United States is {}.", "Washington", ("New York City", "Chicago", "Los Angeles")),
    Fact("eiffel_tower", "In which city is the Eiffel Tower?", "The Eiffel Tower is in the city of {}.", "Paris", ("London", "Brussels", "Rome")),
    Fact("colosseum", "In which city is the Colosseum?", "The Colosseum is in the city of {}.", "Rome", ("Athens", "Paris", "Cairo")),
    Fact("statue_of_liberty", "In which city is the Statue of Liberty?", "The Statue of Liberty is in the city of {}.", "New York", ("Boston", "Chicago", "London")),
    Fact("great_wall", "In which country is the Great Wall?", "The Great Wall is in the country of {}.", "China", ("Japan", "India", "Mexico")),
    Fact("pyramids_of_giza", "In which country are the Pyramids of Giza?", "The Pyramids of Giza are in the country of {}.", "Egypt", ("Mexico", "Greece", "Turkey")),
    Fact("taj_mahal", "In which country is the Taj Mahal?", "The Taj Mahal is in the country of {}.", "India", ("China", "Iran", "Egypt")),
    Fact("continent_of_brazil", "On which continent is Brazil?", "Brazil is on the continent of {}.", "South America", ("Africa", "Europe", "Asia")),
    Fact("continent_of_kenya", "On which continent is Kenya?", "Kenya is on the continent of {}.", "Africa", ("Asia", "Europe", "South America")),
    Fact("continent_of_france", "On which continent is mainland France?", "Mainland France is on the continent of {}.", "Europe", ("Asia", "Africa", "South America")),
    Fact("highest_mountain", "Which mountain is the highest above sea level?", "The highest mountain above sea level is {}.", "Mount Everest", ("Mont Blanc", "Mount Kilimanjaro", "Mount Fuji")),
    Fact("largest_ocean", "Which ocean is the largest on Earth?", "The largest ocean on Earth is the {} Ocean.", "Pacific", ("Atlantic", "Indian", "Arctic")),
    Fact("language_of_brazil", "Which language do most people in Brazil speak?", "Most people in Brazil speak {}.", "Portuguese", ("Spanish", "French", "Italian")),
    Fact("language_of_mexico", "Which language do most people in Mexico speak?", "Most people in Mexico speak {}.", "Spanish", ("Portuguese", "German", "French")),
    Fact("currency_of_japan", "What is the currency of Japan?", "The currency of Japan is the {}.", "yen", ("dollar", "euro", "pound")),
    Fact("author_of_romeo_and_juliet", "Who wrote the play Romeo and Juliet?", "The play Romeo and Juliet was written by {}.", "William Shakespeare", ("Charles Dickens", "Jane Austen", "Mark Twain")),
    Fact("author_of_oliver_twist", "Who wrote the novel Oliver Twist?", "The novel Oliver Twist was written by {}.", "Charles Dickens", ("William Shakespeare", "Leo Tolstoy", "Jane Austen")),
    Fact("author_of_pride_and_prejudice", "Who wrote the novel Pride and Prejudice?", "The novel Pride and Prejudice was written by {}.", "Jane Austen", ("Charles Dickens", "Mark Twain", "Leo Tolstoy")),
    Fact("painter_of_the_mona_lisa", "Who painted the Mona Lisa?", "The Mona Lisa was painted by {}.", "Leonardo da Vinci", ("Vincent van Gogh", "Pablo Picasso", "Claude Monet")),
    Fact("first_man_on_the_moon", "Who was the first person to walk on the Moon?", "The first person to walk on the Moon was {}.", "Neil Armstrong", ("Buzz Aldrin", "Yuri Gagarin", "John Glenn")),
    Fact("first_president", "Who was the first president of the United States?", "The first president of the United States was {}.", "George Washington", ("Abraham Lincoln", "Thomas Jefferson", "John Adams")),
    Fact("theory_of_relativity", "Who developed the theory of general relativity?", "The theory of general relativity was developed by {}.", "Albert Einstein", ("Isaac Newton", "Charles Darwin", "Galileo Galilei")),
    Fact("formula_of_water", "What is the chemical formula of water?", "The chemical formula of water is {}.", "H2O", ("CO2", "NaCl", "O2")),
    Fact("gas_people_breathe", "Which gas in the air do people need to stay alive?", "To stay alive, people need the gas {}.", "oxygen", ("helium", "neon", "methane")),
    Fact("gas_plants_take_in", "Which gas do plants take in for photosynthesis?", "For photosynthesis, plants take in {}.", "carbon dioxide", ("helium", "methane", "neon")),
    Fact("most_of_the_air", "Which gas makes up most of the air around us?", "Most of the air around us is {}.", "nitrogen", ("oxygen", "helium", "carbon dioxide")),
    Fact("frozen_water", "What does water become when it freezes?", "When water freezes, it becomes {}.", "ice", ("steam", "sand", "salt")),
    Fact("boiling_water", "At how many degrees Celsius does water boil at sea level?", "At sea level, water boils at {} degrees Celsius.", "100", ("50", "75", "212")),
    Fact("freezing_water", "At how many degrees Fahrenheit does water freeze?", "Water freezes at {} degrees Fahrenheit.", "32", ("50", "75", "100")),
    Fact("closest_planet", "Which planet is the closest to the Sun?", "The planet closest to the Sun is {}.", "Mercury", ("Venus", "Mars", "Jupiter")),
    Fact("largest_planet", "Which planet is the largest in the Solar System?", "The largest planet in the Solar System is {}.", "Jupiter", ("Saturn", "Earth", "Neptune")),
    Fact("red_planet", "Which planet is known as the Red Planet?", "The planet known as the Red Planet is {}.", "Mars", ("Venus", "Saturn", "Uranus")),
    Fact("centre_of_the_solar_system", "Which star is at the centre of the Solar System?", "The star at the centre of the Solar System is the {}.", "Sun", ("North Star", "Moon", "Dog Star")),
    Fact("earth_orbit", "Around what does the Earth travel once a year?", "Once a year, the Earth travels around the {}.", "Sun", ("Moon", "planet Mars", "planet Venus")),
    Fact("direction_of_sunrise", "In which direction does the sun rise?", "The sun rises in the {}.", "east", ("west", "north", "south")),
    Fact("colour_of_the_sky", "What colour is a clear sky at noon?", "At noon, a clear sky is {}.", "blue", ("green", "red", "yellow")),
    Fact("colour_of_grass", "What colour is fresh grass?", "The colour of fresh grass is {}.", "green", ("blue", "red", "purple")),
    Fact("colour_of_snow", "What colour is fresh snow?", "The colour of fresh snow is {}.", "white", ("black", "red", "brown")),
    Fact("colour_of_a_ripe_banana", "What colour is the peel of a ripe banana?", "The peel of a ripe banana is {}.", "yellow", ("blue", "purple", "pink")),
    Fact("blue_and_yellow_paint", "Which colour do blue and yellow paint make when mixed?", "Mixed together, blue and yellow paint make {}.", "green", ("purple", "orange", "pink")),
    Fact("days_in_a_week", "How many days are in a week?", "There are {} days in a week.", "seven", ("five", "eight", "ten")),
    Fact("months_in_a_year", "How many months are in a year?", "There are {} months in a year.", "twelve", ("ten", "eleven", "fifteen")),
    Fact("hours_in_a_day", "How many hours are in a day?", "There are {} hours in a day.", "24", ("12", "36", "60")),
    Fact("minutes_in_an_hour", "How many minutes are in an hour?", "There are {} minutes in an hour.", "60", ("30", "90", "100")),
    Fact("seconds_in_a_minute", "How many seconds are in a minute?", "There are {} seconds in a minute.", "60", ("10", "45", "100")),
    Fact("first_month", "Which month is the first of the year?", "The first month of the year is {}.", "January", ("March", "June", "December")),
    Fact("day_after_monday", "Which day comes after Monday?", "The day after Monday is {}.", "Tuesday", ("Wednesday", "Sunday", "Friday")),
    Fact("month_of_christmas", "In which month is Christmas Day on the 25th?", "Christmas Day is on the 25th of {}.", "December", ("July", "October", "March")),
    Fact("coldest_season", "Which season is usually the coldest?", "The season that is usually the coldest is {}.", "winter", ("summer", "spring", "autumn")),
    Fact("sides_of_a_triangle", "How many sides does a triangle have?", "A triangle has {} sides.", "three", ("four", "five", "six")),
    Fact("sides_of_a_square", "How many sides does a square have?", "A square has {} sides.", "four", ("three", "five", "eight")),
    Fact("sides_of_a_hexagon", "How many sides does a hexagon have?", "A hexagon has {} sides.", "six", ("five", "seven", "eight")),
    Fact("two_plus_two", "What is two plus two?", "Two plus two is {}.", "four", ("three", "five", "six")),
    Fact("five_times_two", "What is five times two?", "Five times two is {}.", "ten", ("seven", "eight", "twelve")),
    Fact("half_of_hundred", "What is half of one hundred?", "Half of one hundred is {}.", "fifty", ("twenty", "forty", "eighty")),
    Fact("legs_of_a_spider", "How many legs does a spider have?", "A spider has {} legs.", "eight", ("four", "six", "ten")),
    Fact("legs_of_an_insect", "How many legs does an insect have?", "An insect has {} legs.", "six", ("four", "eight", "ten")),
    Fact("legs_of_a_dog", "How many legs does a healthy dog have?", "A healthy dog has {} legs.", "four", ("two", "six", "eight")),
    Fact("wheels_of_a_bicycle", "How many wheels does a bicycle have?", "A bicycle has {} wheels.", "two", ("three", "four", "six")),
    Fact("strings_of_a_violin", "How many strings does a violin have?", "A violin has {} strings.", "four", ("six", "eight", "twelve")),
    Fact("young_of_a_dog", "What is a young dog called?", "A young dog is called a {}.", "puppy", ("kitten", "foal", "lamb")),
    Fact("young_of_a_cat", "What is a young cat called?", "A young cat is called a {}.", "kitten", ("puppy", "calf", "cub")),
    Fact("honey", "Which insects make honey?", "Honey is made by {}.", "bees", ("ants", "flies", "moths")),
    Fact("milk", "Which farm animal gives most of the milk that people drink?", "Most of the milk that people drink comes from the {}.", "cow", ("pig", "horse", "hen")),
    Fact("tallest_animal", "Which animal is the tallest on land?", "The tallest animal on land is the {}.", "giraffe", ("elephant", "camel", "horse")),
    Fact("largest_animal", "Which animal is the largest in the world?", "The largest animal in the world is the {}.", "blue whale", ("elephant", "giraffe", "white shark")),
    Fact("wool", "Which farm animal gives us most of our wool?", "Most of our wool comes from {}.", "sheep", ("cows", "pigs", "ducks")),
    Fact("pumps_blood", "Which organ pumps blood through the body?", "Blood is pumped through the body by the {}.", "heart", ("brain", "liver", "stomach")),
    Fact("organ_of_sight", "With which organs do people see?", "People see with their {}.", "eyes", ("ears", "lungs", "hands")),
    Fact("bread", "From what is bread mainly made?", "Bread is mainly made from {}.", "flour", ("sugar", "meat", "butter")),
    Fact("raisins", "From which fruit are raisins made?", "Raisins are made from dried {}.", "grapes", ("apples", "cherries", "bananas")),
    Fact("opposite_of_hot", "What is the opposite of hot?", "The opposite of hot is {}.", "cold", ("tall", "heavy", "loud")),
    Fact("opposite_of_up", "What is the opposite of up?", "The opposite of up is {}.", "down", ("left", "near", "inside")),
    Fact("letters_of_the_alphabet", "How many letters are in the English alphabet?", "There are {} letters in the English alphabet.", "26", ("20", "24", "30")),
)  # fmt: skip


def facts() -> list[Example]:
    """Every fact as a question with its answer and three wrong ones."""
    return [
        Example(
            prompt=fact.question,
            answer=fact.answer.format(fact.key),
            wrong=tuple(fact.answer.format(w) for w in fact.wrong),
            entities=(fact.key,),
            id=fact.id,
            group=fact.id,
        )
        for fact in FACTS
    ]
