"""The words of the grammar -> tokenizers as NeMo reads them.

Each word of a language is one token, plain or with its capital, and letters and marks are
the rest: whole words are learnt in far fewer steps than pieces. The aligner has one
tokenizer for all languages, which folds capitals and drops marks by itself, so that it
aligns a text with punctuation as it does the text without.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import sentencepiece
from nemo.collections.common.tokenizers.canary_tokenizer import CanaryTokenizer

from tiny.canary.speech import phrases
from tiny.canary.speech.phrases import LANGUAGES

MARKS = ".,?!¿¡"
_AS_IT_IS = {"normalization_rule_name": "identity"}

SPECIAL_TOKENS = (
    "<|startofcontext|>", "<|emo:undefined|>", "<|emo:neutral|>", "<|emo:angry|>",
    "<|emo:happy|>", "<|emo:sad|>", "<|itn|>", "<|noitn|>", "<|timestamp|>",
    "<|notimestamp|>", "<|diarize|>", "<|nodiarize|>", "<|spkchange|>",
    "<|audioseparator|>", "<|unklang|>", *LANGUAGES,
)  # fmt: skip
"""Those of the canary2 prompt, beside the ones that NeMo adds to every Canary."""


def build_tokenizers(folder: Path) -> None:
    """Write one tokenizer per language, the special tokens' and the aligner's."""
    CanaryTokenizer.build_special_tokenizer(list(SPECIAL_TOKENS), folder / "spl_tokens")
    for language in LANGUAGES:
        _build(_forms(language), folder / language)
    plain = {word.lower() for language in LANGUAGES for word in _forms(language)}
    _build(
        {word for word in plain if not word.startswith("¿")},
        folder / "aligner",
        normalization=_folding(),
    )


def _forms(language: str) -> set[str]:
    """Return every word as some text has it: plain, and as sentences write it."""
    sentences = {phrase.sentences[language] for phrase in phrases.phrases()}
    sentences |= {phrases.sentence(language, digit) for digit in phrases.digits(language)}
    written = {word.rstrip(MARKS) for text in sentences for word in text.split()}
    spoken = {word for text in sentences for word in phrases.plain(text).split()}
    return written | spoken


def _folding() -> str:
    """Return sentencepiece's rules that lower capitals and drop marks."""
    letters = {letter for language in LANGUAGES for word in _forms(language) for letter in word}
    capitals = sorted(letter for letter in letters if letter != letter.lower())
    rules = [f"{ord(letter):X}\t{ord(letter.lower()):X}" for letter in capitals]
    return "\n".join([*rules, *(f"{ord(mark):X}\t" for mark in MARKS)]) + "\n"


def _build(words: Iterable[str], folder: Path, *, normalization: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    symbols = sorted(f"▁{word}" for word in words)
    letters = {letter for word in words for letter in word}
    if not normalization:
        letters |= set(MARKS)
    # No symbol may begin the text, and none does with the last letter of its alphabet.
    ordered = sorted(letters, reverse=True)
    text, rules = folder / "letters.txt", folder / "rules.tsv"
    text.write_text("".join(ordered) + "\n")
    rules.write_text(normalization)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        model_type="char",
        vocab_size=2 + len(symbols) + len(letters),
        character_coverage=1.0,
        user_defined_symbols=symbols,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        unk_id=0,
        minloglevel=2,
        **({"normalization_rule_tsv": str(rules)} if normalization else _AS_IT_IS),
    )
    text.unlink()
    rules.unlink()
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    names = [pieces.id_to_piece(i) for i in range(1, pieces.vocab_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
