"""Two neighbouring words, in; how much it costs the reader where a line ends between them, out.

Source: the customs of subtitling, e.g. the line treatment of Netflix's timed text style guides:
behind punctuation, before conjunctions and prepositions, never behind an article.
"""

from collections.abc import Mapping

BEHIND_SENTENCE = 0.0
BEHIND_CLAUSE = 1.0
BEFORE_OPENER = 2.0
ANYWHERE = 4.0
BEHIND_OPENER = 7.0

_SENTENCE_ENDS = (".", "?", "!", "…")
_CLAUSE_ENDS = (",", ";", ":", "–", "—")
_CLOSERS = "\"')]}»”’"

_OPENERS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "and or but nor so because although though if when while where that which who whose "
        "than as in on at by for from of to with without about after before between during into "
        "over under through until against",
        "de": "und oder aber denn sondern weil dass wenn als ob obwohl während wo in im an am auf "
        "aus bei beim für gegen mit nach ohne seit über um unter von vom vor zu zum zur zwischen",
        "fr": "et ou mais donc or ni car que qui quand si comme parce dans en sur sous à au aux "
        "avec sans pour par chez vers entre depuis pendant de du des",
        "es": "y e o u pero porque que cuando si como donde en a al con sin por para sobre entre "
        "desde hasta hacia de del",
        "it": "e o ma perché che quando se come dove in nel nella a al alla con senza per su sul "
        "tra fra da dal dalla di del della dei",
        "pt": "e ou mas porque que quando se como onde em no na nos nas ao à com sem por pelo pela "
        "para sobre entre até de do da dos das",
        "nl": "en of maar want omdat dat als toen terwijl waar in op aan bij voor van met zonder "
        "naar door over onder tussen tot uit",
        "ru": "и а но или что чтобы если когда потому где как в во на с со к ко от до из у о об "  # noqa: RUF001  # Russian
        "за по под над при про для без между через",
    }.items()
}
"""Conjunctions, prepositions and the like: they open what they stand in front of."""

_DETERMINERS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "a an the my your his her its our their this these those",
        "de": "der die das den dem des ein eine einen einem einer eines mein dein sein ihr unser "
        "dieser diese dieses",
        "fr": "le la les un une mon ton son ma ta sa mes tes ses notre votre leur ce cet cette ces",
        "es": "el la los las un una unos unas mi tu su mis tus sus este esta",
        "it": "il lo la i gli le un uno una mio tuo suo questo questa",
        "pt": "o a os as um uma meu teu seu este esta",
        "nl": "de het een mijn jouw zijn haar ons hun deze dit",
    }.items()
}
"""Nothing comes between them and what follows."""


def ends_sentence(word: str) -> bool:
    return word.rstrip(_CLOSERS).endswith(_SENTENCE_ENDS)


def break_cost(word: str, following: str, language: str | None) -> float:
    """One of the constants above."""
    if ends_sentence(word):
        return BEHIND_SENTENCE
    if word.rstrip(_CLOSERS).endswith(_CLAUSE_ENDS):
        return BEHIND_CLAUSE
    openers = _OPENERS.get(language or "", frozenset())
    if word.lower() in openers | _DETERMINERS.get(language or "", frozenset()):
        return BEHIND_OPENER
    return BEFORE_OPENER if following.lower() in openers else ANYWHERE
