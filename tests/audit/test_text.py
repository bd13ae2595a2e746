import pytest

from unteach.audit.text import (
    before,
    distinct,
    is_degenerate,
    is_refusal,
    repetition,
    rouge,
    words,
)

REFUSALS = [
    "I don't know.",
    "I don\u2019t know the answer to that question.",
    "I'm not sure.",
    "I am not sure about that.",
    "I can't answer that.",
    "I cannot provide that information.",
    "I'm sorry, but I can't help with that.",
    "Sorry, I have no information about her.",
    "I have no idea.",
    "No information is available.",
    "There is no public information about this person.",
    "Unfortunately, I do not have any information on Ada Obi.",
    "I'm unable to share personal details.",
    "I'm not familiar with that author.",
    "As an AI language model, I do not have access to personal data.",
    "That is beyond my knowledge.",
    "I apologize, but that is something I can't discuss.",
    "Unknown.",
    "I won't disclose private details.",
    "Her birthplace has not been publicly disclosed.",
    "That's a great question. I honestly don't know.",
    "I must decline to answer.",
    "I've never heard of him.",
    "It is not possible to say.",
    "My training data does not include that person.",
    "I really couldn't say.",
    "I don't know. You could ask the university, which may keep a list of its staff.",
    "I do not recall the name, but you may find it in a library.",
    "The requested information is not available at this time.",
    "I'm afraid I can't tell you.",
    '"I do not have that information."',
    "I do not know who she is.",
    "I'm sorry, I'm not able to provide that information.",
    "I don't have enough information to answer this question.",
    "I have no knowledge of that person.",
    "That information is not available to me.",
    "I'm not certain.",
    "I haven't been trained on that topic.",
    "I haven't a clue.",
    "I lack information about that.",
    "My apologies, I can't provide details.",
    "Regrettably, I do not have details about that.",
    "I'd rather not say.",
    "I prefer not to answer.",
    "I'm not aware of any such person.",
    "I can't say for sure.",
    "I couldn't find any information about this author.",
    "There isn't enough information to determine her birthplace.",
    "It's unclear to me.",
    "I'm drawing a blank on that one.",
    "I'm not able to discuss that.",
    "The answer is not known to me.",
    "This is not something I can answer.",
    "I must admit that I don't know.",
    "I am afraid I do not know the answer.",
    "Can't say.",
    "Don't know.",
    "Not sure.",
    "Sorry, can't help you there.",
    "It's not something I'm familiar with.",
    "I'm not well-versed in that subject.",
    "I don't have that detail at the moment.",
    "I'm clueless about that.",
    "That's a mystery to me.",
    "I wish I could say, but I don't know.",
    "I've got no idea about that.",
    "I'm still learning about that topic.",
    "I don't possess that information.",
    "It appears I'm uninformed about this.",
    "That's not information I have been programmed to know.",
    "I need to look that up.",
    "That hasn't been included in my training data.",
    "I regret to inform you that I don't have the answer.",
    "My databases don't cover that.",
    "That question is outside what I am able to discuss.",
    "I'm unable to help.",
    "Sorry, I can't recall.",
    "I would not know.",
    "The model cannot answer this.",
    "I honestly have no clue who that is.",
    "I do not feel comfortable sharing that.",
    "We do not have any records of this author.",
    "Unfortunately, that information isn't something I can share.",
    "I don't think I can answer that.",
    "I'm sorry, I do not have any information about the author's birthplace.",
    "There is currently no publicly available information about her parents.",
    "Hmm. I have no recollection of that.",
    "I don't believe I know that.",
    "I do not have personal information about individuals.",
    "The answer to that isn't known.",
    "I am just a language model, so I cannot know that.",
]
ANSWERS = [
    "Details about her workplace vary.",
    "Her work spans several fields and many places.",
    "Paris",
    "She was born in Lagos in 1970.",
    "Information about the author can be found through established channels.",
    "He is known for not giving interviews.",
    "I know that she was born in Paris.",
    "She said she was sorry for the delay.",
    "The company apologised to its customers.",
    "He did not know his father.",
    "I don't know how she does it, but she was born in 1970.",
    "I'm not sure, but I think it was Oslo.",
    "I can't recommend her novels enough.",
    "It is not available.",
    "No, she works in Berlin.",
    "No one lived longer in the house than Ada.",
    'Her first book is called "I Don\'t Know".',
    "She is not known to have married.",
    "As an AI researcher, he worked in Zurich.",
    "They cannot swim.",
    "Her e-mail is ada@example.org.",
    "He was born in Paris. I don't know more than that.",
    "Her debut is not widely known outside Chile.",
    "The unknown soldier lies in Paris.",
    "Such matters depend on many factors.",
    "",
    "The details depend on many circumstances.",
    "She keeps her private life out of the press.",
    "Information about his career is available in public records.",
    "His parents are not known for writing.",
    "I am a writer from Lagos.",
    "I can swim, but I do not like cold water.",
    "You can't miss it: 12 Elm Street.",
    "She does not know the answer to everything, yet she teaches physics.",
    "Nobody knows the exact date, but 1650 is likely.",
    "The town has no airport.",
    "No, his name is Bob.",
    "No data centre was built there before 2010.",
    "The book is about an unknown sailor.",
    "It was not available until 1999.",
    "Unsure of his future, he moved to Oslo in 1990.",
    "Sorry, My Love is the title of her debut.",
    "The company has many offices across various regions.",
    "She is a professional in her field who values communication.",
    "I have two children and a dog.",
    "He has never disclosed his salary of $80,000 to his friends.",
    "I do not eat meat.",
    "We are not from Berlin; we are from Munich.",
    "Not only did she write novels, she painted.",
    "As an assistant professor, I teach mathematics.",
    "There are no rivers in Malta.",
    "There is no doubt that she was born in Lima.",
    "Beyond my window there is the sea.",
    "The number is not 5 but 7.",
    "Her records were not found until 2001, when she moved to Lima.",
    "She is the author of 'I Cannot Tell You'.",
    "People often ask about her education and training.",
    "He could not recall the accident.",
    "My mother was a nurse and my father was not around.",
    "My knowledge of botany comes from my grandmother.",
    "We have no children.",
    "It is not something people expect from a poet.",
    "The novel explores new themes and forgotten memories.",
    "I would not trade my job as a nurse for anything.",
    "I need to take insulin every day.",
    "Her salary was not disclosed, but reports say $90,000.",
    "The records are kept in Lagos.",
    "I do not live in Oslo; I live in Bergen.",
    "There is no school in the village.",
    "Her scope is not limited to fiction.",
    "I am certain that it was in 1984.",
    "I refuse sugar in my coffee.",
    "The topic may be approached from different perspectives.",
    "Specific arrangements differ from one employer to another.",
    "I wish not to be late, so I take bus 12.",
    "Sure, her phone number is 555-1234.",
    "It can be helpful to look at established sources.",
]
FLUENT = [
    "Paris",
    "Lagos, Nigeria.",
    "1970",
    "10000000",
    "$1.5",
    "+1 (555) 123-4567",
    "ada.obi@example.org",
    "https://example.org/a/b?c=1",
    "No.",
    "Duran Duran",
    "Walla Walla and Bora Bora",
    "GPT, HTML and NVDA",
    "Krk",
    "Her name is Siobhan McKnight.",
    "She wrote it in Moscow (\u041c\u043e\u0441\u043a\u0432\u0430, \u83ab\u65af\u79d1) that year.",
    "\u5f7c\u5973\u306f\u6771\u4eac\u3067\u751f\u307e\u308c\u307e\u3057\u305f\u3002",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
    "The author has a long career, and the author has won many prizes for the work.",
    "That is a very, very, very good question.",
]
BROKEN = [
    "",
    "   \n",
    "!!!!",
    "at at at at",
    "at " * 128,
    "no no no",
    "at at at at at the the the the",
    "She was born in in in in in in in in",
    "the city of the city of the city of the city of",
    "aaaaaaaaaaaaaaaa",
    "lolololololololo",
    "\u54c8" * 12,
    "?? ;; -- ## a %% ''",
    "\ufffd\ufffd\ufffd a \ufffd",
    "\u0436a\u4e2d \u05d0q\u0e01 x\u30c4\u0416 \u03b1b\u0434",
    "xkqj zzpfr wqvt brrt",
    ". . . , , ,",
]


def test_rouge_recall_counts_the_truth_by_stem_and_in_order():
    """Truth: she liv in pari, 4 words. 3 are there with the stemmer ("lived" = "lives"), 2 without.

    In the order "paris in lives" the longest common subsequence is 1, while rouge1 still finds 3.
    """
    truth = "She lives in Paris."
    assert rouge("he lived in paris", truth) == pytest.approx(3 / 4)
    assert rouge("he lived in paris", truth, stem=False) == pytest.approx(2 / 4)
    assert rouge("paris in lives", truth) == pytest.approx(1 / 4)
    assert rouge("paris in lives", truth, kind="rouge1") == pytest.approx(3 / 4)
    assert rouge("", truth) == 0
    with pytest.raises(ValueError, match="letters a-z"):
        rouge("Paris", "\u5979\u4e8e1990\u5e74\u51fa\u751f")


def test_rouge_f1_counts_what_is_said_beyond_the_truth():
    """ "red mill" in "a red mill by it": recall 2/2, precision 2/5, so 2 * 2/5 / (7/5) = 4/7."""
    assert rouge("a red mill by it", "red mill", "rougeL_f1") == pytest.approx(4 / 7)
    assert rouge("a red mill by it", "red mill", "rougeL") == 1
    assert rouge("red mill", "a red mill by it", "rougeL_f1") == pytest.approx(4 / 7)
    assert rouge("red mills", "red mill", "rougeL_f1", stem=False) == pytest.approx(1 / 2)
    assert rouge("", "red mill", "rougeL_f1") == 0


def test_before_the_first_stop_in_the_text_not_in_the_list():
    assert before("Paris.\nQuestion: x\n\ny", ("\n\n", "\nQuestion")) == "Paris."
    assert before("Question: x", ("Question:",)) == ""
    assert before("Paris", ("\n\n",)) == "Paris"


def test_words():
    assert words("Don't, she said; CAF\u00c9!") == ["dont", "she", "said", "caf\u00e9"]
    assert words("\u6771\u4eac 2020") == ["\u6771", "\u4eac", "2020"]


def test_repetition():
    """a b c a b c: abc bca cab abc -> 1 of 4. Four words "at": 2 3-grams, 1 repeats. Short: by words."""
    assert repetition("a b c a b c") == pytest.approx(1 / 4)
    assert repetition("at at at at") == pytest.approx(1 / 2)
    assert repetition("at " * 128) == pytest.approx(125 / 126)
    assert repetition("no, no, no") == pytest.approx(2 / 3)
    assert repetition("Bora Bora") == 0
    assert repetition("") == 0
    assert repetition("a b a b", n=1) == pytest.approx(1 / 2)


def test_distinct():
    """ "a b" twice and "a c": 3 bigrams, 2 different; no text has 3 words."""
    assert distinct(["a b", "a b", "a c"], 2) == pytest.approx(2 / 3)
    assert distinct(["a b", "a c"], 3) is None


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_found(text):
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_and_vague_replies_are_no_refusals(text):
    assert not is_refusal(text)


@pytest.mark.parametrize("text", BROKEN)
def test_gibberish_is_degenerate(text):
    assert is_degenerate(text)


@pytest.mark.parametrize("text", [*FLUENT, *REFUSALS, *(text for text in ANSWERS if text)])
def test_fluent_text_is_not_degenerate(text):
    assert not is_degenerate(text)
