"""How English asks for the form of a reply: patterns over a request, and what numbers and marks are called.

`agent.models.asked_form` tells where a match asks for something; most of these patterns would match elsewhere, too.
"""

from __future__ import annotations

import re

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {word: number for number, word in enumerate(_ONES)}
_NUMBERS |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
_NUMBERS |= {"a": 1, "a single": 1, "one single": 1, "single": 1, "a dozen": 12, "a hundred": 100, "one hundred": 100}
_NUMBER = (
    rf"(?:\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_ONES[1:10])}))?|(?:a|one) hundred|a dozen|"
    rf"(?:a |one )?single|{'|'.join(_ONES)}|a)"
)
_MARKS = {
    "comma": ",",
    "exclamation mark": "!",
    "exclamation point": "!",
    "question mark": "[?]",
    "semicolon": ";",
    "digit": "[0-9]",
    "numeral": "[0-9]",
    "full stop": "[.]",
    "period": "[.]",
    "hyphen": "-",
    "dash": "[-\u2013\u2014]",
    "dashe": "[-\u2013\u2014]",
    "colon": ":",
}
CONTENTLESS = frozenset(
    """a add all also and answer answers any anything as at back be begin besides between brief but by can choose
    complete could do each either else enclose enclosed end entire ever every everything exactly extra finish following
    for form format from full give have i in into is it its itself just keep kindly letters like limit line make me
    message must my myself need no not nothing number of on one only options other output pick please present print
    provide put reply respond response return say short should sign simply single so start state stick sure surround
    tell text that the them then these this to type use using very want whole will with without words would wrap
    wrapped write you your yourself""".split()
)


def number_of(text: str) -> int:
    """A number that a pattern here matched, in digits or words."""
    if text.isdigit():
        return int(text)
    known = _NUMBERS.get(text.lower())
    return sum(map(number_of, re.split("[- ]", text))) if known is None else known


def mark_of(text: str) -> str:
    """The regular expression of a mark that a pattern here matched, such as "commas"."""
    return _MARKS[text.lower().removesuffix("s")]


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


# What asks, and what does not.
_LEAD = (
    r"(?:\W*\b(?:please|kindly|now|then|and|but|also|ok(?:ay)?|hi|hello|hey|so|just|simply|briefly|again|next|for me|"
    r"(?:can|could|would|will) you|i['\u2019]d (?:like|love) (?:you to|it if you)|i would like you to|to answer|"
    r"i (?:want|need) you to|you (?:must|should|can|may)|remember to|make sure (?:to|you|that you)|be sure to|try to|"
    r"let['\u2019]s)\b[\s,]*)*\W*"
)
_VERBS = (
    "advise announce answer apologi[sz]e argue ask begin brainstorm capitali[sz]e caption choose close come compare "
    "complete compose conclude confirm congratulate contain continue convince create decide define describe draft "
    "encourage end enclose explain express finish form format give greet guess have help imagine include introduce "
    "invent invite keep leave limit list make mark mention motivate name note number offer open outline output "
    "paraphrase persuade pick place praise predict present print produce promise propose provide put rank read recall "
    "recommend remind repeat rephrase reply report respond restrict return reveal rewrite say select sell send share "
    "shout show sign simplify sketch speak spell start state stick stay suggest sum summari[sz]e surround talk teach "
    "tell thank think translate try type use warn welcome wish wrap write"
).replace(" ", "|")
_BARE = (
    r"no|not|don['\u2019]t|do not|never|avoid|without|only|your|the (?:answer|reply|response|first|last|whole|text)|"
    r"everything|it (?:should|must|has to|needs to)|(?:i|we) (?:need|want)|i['\u2019]d like"
)
_ASIDE = r"(?:(?:in|with|using|within|at|as|for|without) [^,.:;?!\n]{2,40}, *)?"  # "In two sentences, tell me"
INSTRUCTION = _pattern(rf"{_LEAD}{_ASIDE}{_LEAD}(?:{_VERBS}|{_BARE})\b")
# "How do I write a sentence with five words?" is about such sentences.
_HOW_TO = (
    r" (?:do|does|can|could|should|would|must|to)(?: (?:i|you|we|one|people))?"
    r" (?:write|say|put|form|make|create|compose|build|express)\b"
)
QUESTION = _pattern(rf"{_LEAD}(?:what|which|where|how(?! many| much| long|{_HOW_TO})|who|why|when|is|are|does)\b")
AIM = _pattern(rf"to (?=(?:{_VERBS})\b)")  # what is left of "Use bullet points to explain"
LEADING = _pattern(r"\W*(?:please )?(?:(?:in|with|using|use|as|within)\s*)?$")
# What follows a form that a clause begins with: "Two sentences, please.", "One word:", "In one sentence, what", "In two
# sentences tell me".
LED = _pattern(
    rf"[ -]*(?:$|[.,:;!?)]|(?:(?:would|will|should|is|are) (?:be|do|enough|fine|perfect)|"
    rf"about|on|for|that|which|of|please|answer|reply|response|summary|what|why|how|who|where|"
    rf"{_VERBS})\b)"
)
ABOUT_THE_REPLY = _pattern(r"\W*(?:your|the) (?:whole |entire )?(?:answer|reply|response|text)\b")
# What stands before a form that says how to answer, and before one that says what to write.
ADVERBIAL = _pattern(
    r"(?:\b(?:in|into|with|using|use|as|of|to|under|within|by)|\b(?:keep|limit|restrict|make)"
    r"(?: (?:it|this|that|them|yourself|(?:your|the) (?:\w+ )?\w+))?(?:,? (?:short|brief|down))?,?"
    r"(?: (?:to|at|in|under))?)(?: an?)?\s*$"
)
OBJECT = _pattern(
    r"\b(?:write|give|tell|say|compose|make|create|draft|produce|return|provide|send|answer|reply|respond|add|form|"
    r"invent|need|want)(?: (?:me|us|back))?(?: an?)?\s*$"
)

# What is quoted asks for nothing; it is searched with its letters made unreadable.
UNREAD = "\x01"
QUOTED = re.compile(
    r'"[^"\n]{1,200}"|\u201c[^\u201d\n]{1,200}\u201d|(?<!\w)\u2018[^\n]{1,200}?\u2019(?!\w)'
    r"|(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w)){1,200}'(?!\w)"
)
_QUOTE = f"[\"\u201c'\u2018]{UNREAD}+[\"\u201d'\u2019]"
ITEM = re.compile(rf"{_QUOTE}|[\w'\u2019_-]+")
_ONE = f"(?:{ITEM.pattern})"
_LISTED = (
    rf"{_ONE}(?:(?:, ?(?:and |or )?| and | or | nor )(?:the words? )?{_ONE})*(?=\s*(?:[.,;:!?)\n]|$|\w+ times\b|"
    r"\b(?:and|in|at|twice|once|thrice|somewhere|anywhere|while|but|when|for|to|exactly|appears?|occurs?)\b))"
)

# "between two and four short sentences", "no more than ten words", "one word only", "5 words or fewer".
_ADJECTIVES = "short|brief|full|complete|whole|simple|separate|plain|little|long|concise|clear|single|English"
_MOST = (
    "at (?:the )?(?:very )?most|not? (?:be )?(?:more|longer) than|not exceed|(?:a )?max(?:imum)?(?: of)?|up to|within"
)
_LEAST = "at least|not? (?:fewer|less) than|(?:a )?min(?:imum)?(?: of)?"
COUNT = _pattern(
    rf"(?:\b(?:(?P<most>{_MOST})|(?P<under>under|fewer than|less than|below)|(?P<least>{_LEAST})|",
    r"(?P<over>more than|over)|(?P<about>about|around|roughly|approximately|some|almost|nearly)|",
    r"(?P<exact>exactly|precisely)|",
    rf"only|just|between|(?:a )?total of) )?\b(?P<n>{_NUMBER})(?:(?: ?[-\u2013] ?| to | or | and )(?P<m>{_NUMBER}))?",
    rf"[ -](?:(?:{_ADJECTIVES}),? )*(?P<unit>word|sentence|paragraph|line)s?\b",
    r"(?! (?:each|per|of (?!no|at|not|max|up|under)|(?:cloud|graph|chart|plot|document|doc|file|count|game|search|"
    r"tool|puzzle|item|drawing|art|dance|generator|brainteaser)\w*\b))(?: or (?P<or_m>two|three)\b)?",
    r"(?:,? (?P<or_less>or (?:fewer|less)|limit|at (?:the )?(?:very )?most|max(?:imum)?|tops)|",
    r",? (?P<or_more>or more|minimum|at least)|,? (?P<exactly>exactly|only|in total))?",
)
AND_MORE = _pattern(rf"\band {_NUMBER} (?:about|on|for|of)\b")  # "three sentences about dogs and two about cats"
EITHER = _pattern(r"[ ,:](?:(?:an?|the) )?(?P<a>[\w'-]{2,}) or (?:(?:an?|the) )?(?P<b>[\w'-]{2,})\?")
ONLY_ONE = _pattern(
    r"\b(?:only|just|nothing but) (?:the|a|one) "
    r"(?:heading|title|headline|subject(?: line)?|slogan|motto|question|line)\b"
)

_VALID = "(?:valid |single |plain |small |short |flat |simple )*"
JSON = _pattern(
    r"\b(?:as|in|return|need|want|give(?: me)?|reply with|respond with|answer with|output|produce|write|create|make|",
    rf"print|only|generate|provide)\s+(?:(?:an?|one|the|only|your answer as an?|it as an?)\s+)*{_VALID}json\b",
    r"(?:\s+(?:object|dictionary|map))?",
    rf"(?P<array>\s+(?:array|list)(?:\s+(?:of|with)\s+(?:exactly )?(?:(?P<n>{_NUMBER})\b)?",
    r"(?: ?(?P<objects>objects))?)?)?",
    r"(?![- ]?(?:schema|parser|file|web|libr|and\b|or\b))",
    r"(?:[^.\n]*?\b(?:keys?|fields?|propert(?:y|ies)|attributes?|entries)\b:?\s+(?:named |called )?",
    rf"(?P<keys>{_LISTED}))?",
)
_OPTION = r"[^\s,.;:!?](?:[^,.;:!?\n]{0,28}[^\s,.;:!?])?"
_FIXED = "yes or no|no or yes|true or false"
CHOICES = _pattern(
    r"\b(?:answer|reply|respond|say|choose|pick|select)\b(?:[^.!?\n]{0,60}?\b(?:with|only|just|either|by|from|of|simply|",
    rf"exactly))?:? (?:(?P<fixed>{_FIXED})\b|(?:the )?(?:single )?(?:letters? )?",
    r"(?P<letters>(?-i:[A-H])(?:, (?-i:[A-H]))*,? or (?-i:[A-H]))\b|",
    rf"(?P<quoted>{_QUOTE}(?:, {_QUOTE})*,? or {_QUOTE}))",
    r"|\b(?:(?:one|any|either) of(?: these| the following)?(?: \w+)?|(?:pick|choose|select) one): ",
    rf"(?P<options>{_OPTION}(?:, {_OPTION})*)",
    r"|\b(?:choose|pick|select) (?:one )?(?:from|between|out of):? ",
    rf"(?P<offered>{_OPTION}(?:, {_OPTION})*,? (?:or|and) {_OPTION})(?=[.!?:\n]|$)",
    rf"|(?:(?<=^)|(?<=[.!?:,;] )|(?<=[.!?:,;]\n))(?:(?:just |only )?a (?:simple |plain |clear )?)?(?P<lone>{_FIXED})",
    r"(?: (?:will do|is enough|is fine|please|only))?(?=\W*(?:$|[.:?!]))",
)
MASK = _pattern(
    r"\bin the (?:[\w-]+ )?(?:form|format|pattern|style) (?P<mask>(?-i:[YMDHS]{1,4}(?:[-/:.][YMDHS]{1,4})+))"
)
DIGITS = _pattern(
    r"\b(?:(?:with|using|in|as) )?(?:(?:an? |the )?(?:number|figure) )?(?:in |using |as )?(?:digits|numerals|figures) "
    r"only\b|\b(?:only|just) (?:(?:in|using|with) )?(?:digits|numerals|figures)\b"
    r"|\b(?:only|just) (?:with )?(?:the|a) number\b|\b(?:with|as) (?:a|the) number (?:only|alone)\b|\bnumbers? only\b"
)
QUOTES = _pattern(
    r"\b(?:between|in|inside|within|with|by|into) (?:a pair of )?(?:double )?"
    r"(?:quotation marks|quotes|quote marks|speech marks|inverted commas)(?: around (?:it|them))?\b"
)

_SHORT = "(?:short |brief |simple |concise |separate )*"
_NUMBERED_LIST = r"(?P<numbered>(?:numbered|ordered|enumerated) (?:list|points|steps|items))"
_BULLETS = r"(?:bullet(?:ed|[ -]point(?:ed)?)? list|bullet(?:ed)?[ -]points?|bullets|list of bullets|dashed list)"
_SIZE = rf"(?:,? (?:of|with) (?:exactly )?(?P<m>{_NUMBER})\b(?! [\w-]+ per\b))?"
LIST_PATTERNS = (
    _pattern(
        rf"\b(?:in|as|using|with|into|use) (?:the form of )?(?:an? |exactly )?(?:(?P<n>{_NUMBER}) )?{_SHORT}",
        rf"(?:{_BULLETS}|{_NUMBERED_LIST}){_SIZE}(?: (?:items?|bullets?|points?|entries|steps?))?",
        r"(?:,? with one [\w -]{2,20} per (?:bullet|line|item|number))?",
    ),
    _pattern(r"\b(?:start|begin)(?:ning)? (?:every|each) (?:line|item|point|one) with an? (?:dash|hyphen|bullet)"),
    _pattern(
        rf"\b(?:as|in) (?:a|the form of a) list of (?:exactly )?(?:(?P<n>{_NUMBER}) )?(?P<numbered>numbered )"
        r"(?:steps|points|items|reasons|tips)"
    ),
    _pattern(
        r"\beach (?:in|as|with|on) (?:its|their) own bullet(?: point)?|\b(?:one|a) bullet(?: point)? each|"
        rf"(?:(?<=^)|(?<=[.!?:;\n] )){_BULLETS}(?=(?: please| pls)?(?:[.:,!]|$))"
    ),
    _pattern(r"\bnumber (?:them|each one|each of them|the (?:items|points|steps|lines))\b|, (?P<numbered>numbered)\b"),
)
LIST_OBJECTS = (
    _pattern(
        r"\b(?:write|give|make|create|list|provide|produce|draw up|share|name|need|want)(?: me)? (?:an? )?",
        rf"(?:exactly )?(?:(?P<n>{_NUMBER}) )?{_SHORT}(?:{_BULLETS}|{_NUMBERED_LIST}){_SIZE}",
    ),
    _pattern(rf"(?:(?<=^)|(?<=[.!?:;\n] ))(?:please )?(?P<numbered>number) (?:the )?(?P<n>{_NUMBER}) "),
)
ONE_A_LINE = _pattern(
    r"\b(?:with )?(?:each|one|every one|only one)(?: \w+)? "
    r"(?:per|to a|a|on (?:its|their) own|on a (?:separate|new|fresh)) line\b"
    r"|\b(?:each )?on (?:separate|different|their own) lines?\b"
)
COUNTED_THINGS = _pattern(
    rf"\b(?P<n>{_NUMBER}) "
    r"(?!(?:words?|sentences?|lines?|paragraphs?|letters?|characters?|minutes?|years?|days?)\b)"
    rf"(?:[\w'-]+ ){{0,2}}?[\w'-]+s?\b(?<! line)(?<! bullet)"
)

_TEXT = "(?:reply|answer|response|text|message|letter|sentence|note|story|poem|post|email|e-mail)"
_REPLY = rf"(?:(?:your|the|each|it|this|that|my|an?)\b ?)?(?:(?:whole|entire|short) )?(?:{_TEXT}\b ?)?"
_MUST_BE = r"(?: of (?:your|the) (?:reply|answer|response|text))? (?:must|should|has to|have to|is to|needs? to|to) be"
_CALLED = "words?|phrase|greeting|sentence|sign|symbol|character|name|line|question"
_DAY = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CAPITALIZED = rf"(?!{_DAY})(?-i:[A-Z])[\w'\u2019-]*(?: (?-i:[A-Z])[\w'\u2019-]*)*"
_STATED = (
    rf"(?:(?:the )?(?:exact |single )?(?:{_CALLED}):? (?P<x>{_QUOTE}|[^\s.,;:!?][^.,;:!?\n]*?)(?=[.,;:!?\n]|$| and )"
    rf"|(?P<y>{_QUOTE}|{_CAPITALIZED}|#))"
)
STARTING = _pattern(
    rf"\b(?:(?:begin(?:ning|s)?|start(?:ing|s)?|open(?:ing|s)?) {_REPLY}(?:off )?with|",
    rf"(?:the|your) (?:very )?first words?{_MUST_BE}) {_STATED}",
)
ENDING = _pattern(
    r"\b(?:(?:end(?:ing|s)?|finish(?:ing|es)?|clos(?:e|ing|es)|conclud(?:e|ing|es)) ",
    rf"{_REPLY}(?:off )?(?:with|by saying|by writing)|sign(?: off)? {_REPLY}(?:at the (?:very )?end )?(?:with|as)|",
    rf"(?:the|your) (?:very )?last words?{_MUST_BE}|let the last words? be) ",
    rf"(?:an? (?P<mark>question mark|exclamation (?:mark|point)|full stop|period)|{_STATED})",
)
# What a beginning or an end is said of, where not of the reply: "fruits that begin with A", "words ending in S".
OF_THE_REPLY = _pattern(rf"(?:^|[,;:]|\b(?:and|then|but|also|please|to|must|should|has|it|you|{_TEXT}))\W*$")
_USING = r"(?:us(?:e|ing)|say(?:ing)?|mention(?:ing)?|writ(?:e|ing)|includ(?:e|ing))"
WITHOUT = _pattern(
    rf"\b(?:without|never|don['\u2019]t|do not|avoid|not|leav(?:e|ing) out)(?: ever)?(?: {_USING})?(?: any of)? ",
    rf"(?:the (?:words?|names?|phrases?|terms?|letters?)(?: |: )(?P<x>{_LISTED})|(?P<y>{_QUOTE}))",
    r"|\b(?:without|never|don['\u2019]t|do not|avoid)(?: ever)? (?:mention(?:ing)?|say(?:ing)?) (?:the |any )?",
    r"(?P<z>(?!(?:me|you|him|her|it|us|them|that|this|any|what|why|how|who|the)\b|\w+thing\b)\w{4,})(?=[.,;!?\n]|$)",
)
HOLDING = _pattern(
    rf"\b(?:(?:in which|where) the words? (?P<y>{_LISTED}) (?:appears?|occurs?)|",
    rf"(?:{_USING}|contain(?:ing|s)?|with|work(?:ing)? in|has|have)(?: both)?(?: all)?(?: of)? ",
    rf"the (?:words?|phrases?|terms?)(?: |: )(?P<x>{_LISTED}))",
    rf"(?: (?:exactly |at least )?(?:(?P<twice>twice)|(?P<n>{_NUMBER}) times))?",
)
_NO = (
    r"(?:without|no|zero|don['\u2019]t|do not|avoid|never|not a|free of|skip|leav(?:e|ing) out)"
    r"(?: (?:ever|us(?:e|ing)|any|an?|single|the use of|put(?:ting)?))*"
)
_WHOLLY = (
    r"(?:(?:in|using|use|with(?= (?:only|all|just)\b)|only|entirely|completely|everything|all|just)[ -])+"
    r"(?:in )?(?:all )?(?:only )?"
)
_WHOLE = r"(?! (?:for|at|where|when|to|of)\b)"  # not "capitals for the headings"
_UPPER = r"(?:upper[ -]?case(?: letters?)?|capital(?: letters?|s)|caps|block (?:capitals|letters))"
_LOWER = r"(?:lower[ -]?case(?: letters?)?|small letters)"
# In the order in which they are looked for: "don't use capitals" has "use capitals" in it.
CASES = {
    _pattern(rf"\b{_NO} {_UPPER}\b"): "lower",
    _pattern(rf"\b{_NO} {_LOWER}\b"): "upper",
    _pattern(rf"\b(?:{_WHOLLY}{_UPPER}(?: only)?|{_UPPER} only)\b{_WHOLE}"): "upper",
    _pattern(rf"\b(?:{_WHOLLY}{_LOWER}(?: only)?|{_LOWER} only)\b{_WHOLE}"): "lower",
}
# "Put the word careful in capitals", "each heading in capitals".
OF_A_PART = _pattern(
    r"\b(?:the (?:words?|names?|titles?|letters?|first|last|acronym|\w+ of)|each|every|"
    r"key|important|headings?|headlines?|keywords?|terms|names|nouns|verbs)\b"
)
NO_MARKS = _pattern(
    rf"\b{_NO} (?P<mark>commas?|exclamation (?:marks?|points?)|question marks?|semicolons?|digits?|numerals?|",
    r"full stops?|periods?|hyphens?|dash(?:es)?|colons?)\b",
)
