"""The languages that espeak-ng speaks: a table, so that nobody needs espeak-ng to know."""

from collections.abc import Mapping

ESPEAK_LANGUAGES: Mapping[str, str] = {
    "af": "Afrikaans", "am": "Amharic", "an": "Aragonese", "ar": "Arabic", "as": "Assamese",
    "az": "Azerbaijani", "ba": "Bashkir", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "bpy": "Bishnupriya Manipuri", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cv": "Chuvash",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gd": "Scottish Gaelic",
    "gn": "Guarani", "grc": "Ancient Greek", "gu": "Gujarati", "haw": "Hawaiian", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian",
    "ia": "Interlingua", "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "ka": "Georgian", "kk": "Kazakh", "kl": "Greenlandic", "kn": "Kannada",
    "ko": "Korean", "kok": "Konkani", "ku": "Kurdish", "ky": "Kyrgyz", "la": "Latin",
    "lb": "Luxembourgish", "lt": "Lithuanian", "ltg": "Latgalian", "lv": "Latvian", "mi": "Māori",
    "mk": "Macedonian", "ml": "Malayalam", "mr": "Marathi", "ms": "Malay", "mt": "Maltese",
    "my": "Burmese", "nb": "Norwegian Bokmål", "nci": "Classical Nahuatl",
    "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "nog": "Nogai", "om": "Oromo", "or": "Oriya",
    "pa": "Punjabi", "pap": "Papiamento", "pl": "Polish", "pt": "Portuguese", "qu": "Quechua",
    "quc": "K'iche'", "ro": "Romanian", "ru": "Russian", "sd": "Sindhi", "shn": "Shan",
    "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "smj": "Lule Saami", "sq": "Albanian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tk": "Turkmen", "tn": "Setswana", "tr": "Turkish", "tt": "Tatar",
    "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese",
    "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip
"""ISO 639-1 code (639-3 where there is none) → English name, of 1.51 and of 1.52."""

_SPEAKERS: Mapping[str, str] = {"en": "en-us", "no": "nb", "zh": "cmn"}


def speaker_of(language: str) -> str:
    """What espeak-ng calls the voice that speaks this language."""
    return _SPEAKERS.get(language, language)
