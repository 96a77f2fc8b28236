"""The form that a request asks its reply to have."""

import re

import pytest

from agent.models.asked_form import asked_form


def keeps(request, reply):
    """Whether a reply has every form that is asked for, told by Python's regular expressions."""
    form = asked_form(request).form
    wanted = [_for_python(one) for one in form.patterns]
    unwanted = [_for_python(one) for one in form.without]
    return all(re.fullmatch(one, reply) for one in wanted) and not any(re.fullmatch(one, reply) for one in unwanted)


def _for_python(pattern):
    for theirs, ours in CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return pattern


CLASSES = {
    r"[\p{L}\p{N}&&[^T]]": "[A-SU-Za-zÀ-ÿ0-9]",
    r"[\p{Ll}&&[^h]]": "[a-gi-zß-ÿ]",
    r"[\p{Ll}&&[^e]]": "[a-df-zß-ÿ]",
    r"\p{Ll}\p{Lo}\p{M}": "a-zß-ÿ",
    r"\p{Lu}": "A-Z",
    r"\p{L}": "A-Za-zÀ-ÿ",
    r"\p{N}": "0-9",
}
KEPT = [
    ("Explain gravity in exactly two sentences.", "It pulls. Things fall 3.5 m.", "It pulls."),
    ("Explain gravity, two sentences tops.", "It pulls.", "It pulls. It does. Still."),
    ("Explain gravity to a child in two or three sentences.", "One. Two. Three.", "One. Two. Three. Four."),
    ("What is a comet? At most five words.", "A ball of ice.", "A ball of ice and of dust."),
    ("Your answer must have fewer than four words. What is rain?", "Water that falls.", "It is water that falls."),
    ("Describe a cat in between three and five words.", "A small soft animal.", "An animal."),
    ("Write about the sea in more than twenty-one words.", " ".join(["sea"] * 22), " ".join(["sea"] * 21)),
    ("I need a slogan for a bakery, five words or more.", "Bread as it should be.", "Good bread."),
    ("Give me a one-sentence summary of Hamlet.", "All of them die.", "He waits. They die."),
    ("Who is Hamlet? The answer must not be longer than three words.", "Prince of Denmark", "The prince"),
    ("A sign for our kitchen, ten words tops.", "Wash your own cup.", " ".join(["cup"] * 11)),
    ("Sum up Cinderella? Two sentences would be perfect.", "She ran. He found her.", "She ran."),
    ("Compare HTML and CSS in a sentence or two.", "Both. Same.", "One. Two. Three."),
    ("Describe a meadow in 20 words.", " ".join(["green"] * 17), " ".join(["green"] * 15)),
    ("Describe a meadow in exactly 20 words.", " ".join(["green"] * 20), " ".join(["green"] * 19)),
    ("Describe a meadow with a 5-word limit.", "It is green.", "It is green and very wide."),
    ("Write two paragraphs about gardens.", "They grow.\n\nThey wither.", "They grow. They wither."),
    ("Write a four-line poem about snow.", "It falls\nand falls\nand lies\nand goes", "It falls\nand lies"),
    ("List three tools, one per line.", "Saw\nDrill\nFile", "Saw, drill, file"),
    ("List the days of the week, each on its own line.", "Monday\nTuesday", "Monday, Tuesday"),
    ("Name three colours as a bulleted list.", "- Red\n- Blue\n- Green", "- Red\n- Blue"),
    ("Name seas and rivers in bullets.", "- Elbe\n- North Sea", "Elbe"),
    ("Start every line with a dash: name two seas and two rivers.", "- A\n- B\n- C\n- D", "- A\n- B"),
    ("Give three reasons to walk, numbered.", "1. Air\n2. Sun\n3. Legs", "- Air\n- Sun\n- Legs"),
    ("Number two steps for making tea.", "1. Boil\n2. Pour", "1. Boil"),
    ("Give tips for exams as a numbered list.", "1. Sleep\n2. Eat\n3. Read", "1. Sleep\n3. Read"),
    ("Write a heading for a page about bicycles. Write only the heading.", "Bicycles", "Bicycles\nThey roll."),
    ("bullet list pls: 2 things for the beach", "- Hat\n- Towel", "Hat and towel"),
    ("Name two planets, each in its own bullet point.", "- Mars\n- Venus", "Mars\nVenus"),
    ("Explain it as a list of two numbered steps.", "1. Boil\n2. Pour", "- Boil\n- Pour"),
    (
        "Name two games in a numbered list with no more than six words.",
        "1. Chess\n2. Go",
        "1. Chess\n2. The game of Go",
    ),
    ("Do penguins fly? A simple yes or no will do.", "No", "They do not."),
    ("Pick one: tea, coffee. Which is green?", "Tea", "Both"),
    ("Is ice cold? Answer with yes or no.", "Yes.", "It is."),
    ("true or false: the moon is a star", "False", "no"),
    ("Respond with only 'stop' or 'go': the light is red.", "stop", "wait"),
    ("Answer with one of: red, green, light blue. What colour is the sky?", "Light blue.", "Blue."),
    ("What colour is grass? Choose from red, green or blue.", "green", "yellow"),
    ("Reply with the letter A, B or C: what comes first?", "A", "D"),
    ("Which is heavier: a feather or a brick? Answer with one word.", "Brick", "Lead"),
    ("What is the capital of Japan? One word.", "Tokyo.", "It is Tokyo."),
    ("How many legs has a spider? Answer in digits only.", "8", "eight"),
    ("Write the first of May 2031 in the form YYYY-MM-DD.", "2031-05-01", "1 May 2031"),
    ("Put your answer in double quotes. Who wrote Hamlet?", '"Shakespeare"', "Shakespeare"),
    ("How do I boil rice? Start your answer with the word Certainly.", "Certainly, boil it.", "Boil it."),
    ("How do I boil rice? The first word of your answer must be 'Well'.", "Well, boil it.", "Boil it well."),
    ("Write a sentence about a train that ends with a question mark.", "Is it late?", "It is late."),
    ("Describe breakfast without using the word egg.", "Bread.", "Bread and eggs."),
    ("Describe the moon without the words white and night.", "It is round.", "It is white."),
    ("Explain tides, but don't mention the moon.", "They come and go.", "The Moon pulls."),
    ("Name a fruit without using the letter e.", "Fig", "Pear"),
    ("Explain what a bridge is for, without a single comma.", "To cross.", "To cross, mostly."),
    ("Recommend a hobby. Use the words patience and outdoors.", "Outdoors, fish with patience.", "Fish."),
    ("Write a note in which the word blue appears.", "It is blue.", "It is red."),
    ("Tell me about camels but leave out commas.", "They walk.", "They walk, slowly."),
    ("Mention the word harvest at least twice in a text about autumn.", "Harvest. A harvest.", "Harvest time."),
]


@pytest.mark.parametrize(("request_", "right", "wrong"), KEPT)
def test_a_form_admits_what_was_asked_for_and_nothing_else(request_, right, wrong):
    assert keeps(request_, right)
    assert not keeps(request_, wrong)


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        ("Describe a lighthouse in exactly two sentences.", "Describe a lighthouse."),
        ("In one sentence, why do cats purr?", "Why do cats purr?"),
        ("Your answer must be one word. What is the capital of Japan?", "What is the capital of Japan?"),
        ("Answer in one word: what is the capital of Japan?", "What is the capital of Japan?"),
        ("What do bees make? Answer in at most five words.", "What do bees make?"),
        ("Tell me about rain in all lowercase letters. Use no capital letters at all.", "Tell me about rain."),
        ("Explain DNS, two sentences tops, no commas.", "Explain DNS."),
        ("Name three colours as a bulleted list with one colour per bullet.", "Name three colours."),
        ("Write one sentence about snow that ends with an exclamation mark.", "Write one sentence about snow."),
        ("Tell me one fact about owls and end your reply with the words That is all.", "Tell me one fact about owls."),
        ("Write the date in the form YYYY-MM-DD and nothing else.", "Write the date."),
        ("Write a four-line poem about snow.", "Write a four-line poem about snow."),
        ("Answer in a two-sentence note.", "Answer in a two-sentence note."),
        ("Use bullet points to explain how eggs are boiled.", "Explain how eggs are boiled."),
        ("Recommend a hobby. Use the words patience and outdoors.", None),
        ("Give me a JSON object with the keys name and age.", None),
        ("Reply in two sentences.", None),
    ],
)
def test_the_model_is_told_the_request_without_its_form_where_one_is_left(request_, left):
    assert asked_form(request_).request == (left or request_)


@pytest.mark.parametrize(
    "request_",
    [
        "How many words should a cover letter have?",
        "How many people can describe love in one word?",
        "My essay must have three paragraphs. What should the second say?",
        "Why do people write in all caps online?",
        "How do I write a sentence with exactly five words?",
        "Is a list of three bullets enough for a slide?",
        "Write a function that returns yes or no.",
        "Write a program that prints two lines.",
        "Explain what a 5-line poem is.",
        "What does JSON stand for?",
        "The teacher said 'answer in one word'. Is that rude?",
        "Translate \u201creply in capital letters\u201d into French.",
        "Put the word IMPORTANT in capitals in front of this: water the plants.",
        "Write three sentences about dogs and two about cats.",
        "List the rules and put all headings in capitals.",
        "Write a poster, and use capital letters for the headings.",
        "Begin each sentence with capital letters.",
        "Do not say no.",
        "Create a word cloud from my notes.",
        "I need a line graph of the sales.",
        "Explain a word using only emojis.",
        "Use a word counting tool on it.",
        "Convert it into a Word document.",
        "List fruits beginning with the letter B.",
        "Name three animals that start with Z.",
        "Plan a course starting with January, and ending on September 22.",
        "List the shifts, ending with Sunday.",
        "Show the photograph with the name Live.",
        "Number each ticket and mix them well.",
        "Write about 100 words on tea in your own time.",
        "Do you say yes or no to cake?",
        "Tell me two jokes.",
        "A page holds 450 words. How long do I type at ten of them?",
        "Ann wrote an essay with 150 words, and Bob one with 30 words more. How long is his?",
        "12 words fit on each line. How many fit on a page?",
        "Each sonnet is fourteen lines long. How long are seven?",
        "In a sentence you will see a noun before it. Which is it?",
        "Hello!",
        "",
        f"Answer in one word. {'It was so. ' * 80}",
    ],
)
def test_what_only_mentions_a_form_asks_for_none(request_):
    assert asked_form(request_) is None


def test_letters_are_changed_as_the_reply_comes():
    upper, lower = asked_form("Greet me in capital letters only."), asked_form("Greet me, all lowercase please.")
    assert upper.form.shown("Hello, Ada.") == "HELLO, ADA." and lower.form.shown("Hello, Ada.") == "hello, ada."
    assert not upper.form.grammar() and not lower.form.grammar()
    assert (
        asked_form("Say something about snow and end with an exclamation mark.").form.shown("So white.") == "So white!"
    )


@pytest.mark.parametrize(
    ("request_", "written", "closing"),
    [
        ("Write a note. Sign it at the very end with the name Mira.", "I have it.", "\n\nMira"),
        ("Write a note and finish with 'Yours, Mira'.", "I have it.", "\n\nYours, Mira"),
        ("Tell me a fact and end with the words That is all.", "Owls see.", " That is all."),
        ("Tell me a fact and end with the words That is all.", "Owls see. that is all.", ""),
        ("Tell me a fact in capitals only, and end with the word Amen.", "OWLS SEE.", "\n\nAMEN"),
        ("Describe a fox in one sentence.", "Red.", ""),
    ],
)
def test_what_a_reply_must_end_with_is_written_behind_it(request_, written, closing):
    assert asked_form(request_).form.closing(written) == closing


def test_words_at_the_end_are_counted():
    request_ = "Tell me a fact in two sentences and end with the words That is all."
    assert keeps(request_, "Owls see.") and not keeps(request_, "Owls see. They fly.")


@pytest.mark.parametrize(
    ("request_", "schema"),
    [
        ("Return a JSON array of three fruit names.", {"minItems": 3, "maxItems": 3}),
        ('Describe a boat as JSON with the fields "name" and "length".', {"required": ["name", "length"]}),
        ("Reply with a JSON object about a boat.", {"type": "object"}),
        ("Give me a JSON array of two objects with the keys city and country.", {"maxItems": 2}),
    ],
)
def test_json_is_asked_for_by_a_schema(request_, schema):
    form = asked_form(request_).form
    assert schema.items() <= form.schema.items() and "%json" in form.grammar("<|im_end|>")


def test_a_json_array_may_hold_objects():
    schema = asked_form("Give me a JSON list of objects with the keys city and country.").form.schema
    assert schema["items"]["required"] == ["city", "country"] and schema["type"] == "array"
    assert asked_form("Give me a JSON list of objects.").form.schema["items"]["type"] == "object"
    assert "anyOf" in asked_form("Give me a JSON list of fruit.").form.schema["items"]


def test_forms_are_asked_for_together():
    form = asked_form("Answer in one sentence, all lowercase, without commas, starting with the word Well.").form
    assert len(form.patterns) == 2 and len(form.without) == 1 and form.case == "lower"
    assert form.grammar("<|im_end|>").count(" & ") == 2
