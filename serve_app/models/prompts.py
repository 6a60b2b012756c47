"""What Canary is told in front of a row: which language, which task, with marks or without.

Offline and on streams alike; also what it takes to find the language where nobody names it.
"""

from collections.abc import Sequence
from typing import Any

import torch

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError


class Prompts:
    """The prompts of one checkpoint, for the languages that are configured."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint lacks a configured language.
        """
        self._model = model
        self._config = config
        self._languages = config.languages
        self._device: torch.device = next(model.parameters()).device
        self._made: dict[tuple[str, str, bool], list[int]] = {}
        self._prefix, self._language_ids = self._identification()

    def ids(self, language: str, target: str, *, pnc: bool = True) -> list[int]:
        key = (language, target, pnc)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, language: str, target: str, pnc: bool) -> list[int]:
        """The checkpoint's own formatter makes the tokens; slots that it lacks are left out."""
        slots = {
            "decodercontext": "",
            "emotion": "<|emo:undefined|>",
            "source_lang": language,
            "target_lang": target,
            "task": "transcribe" if language == target else "translate",
            "pnc": "yes" if pnc else "no",
            "itn": "no",
            "timestamp": "no",
            "diarize": "no",
            "prompt_language": "spl_tokens",
        }
        formatter = self._model.prompt
        wanted = {*formatter.get_slots("user"), "prompt_language"}
        turn = {"role": "user", "slots": {k: v for k, v in slots.items() if k in wanted}}
        ids: list[int] = formatter.encode_dialog([turn])["context_ids"].tolist()
        return ids

    def _identification(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the prompt says before it names the language, and the tokens that may come next."""
        try:
            prompts = [self.ids(code, code) for code in self._languages]
        except (KeyError, ValueError) as error:
            raise ConfigError(
                f"models.{self._config.name}.languages",
                f"the checkpoint lacks one of them: {error}",
            ) from error
        other = self.ids(self._languages[0], self._languages[-1])
        place = next(
            (i for i, ids in enumerate(zip(*prompts, strict=True)) if len(set(ids)) > 1),
            len(other),
        )
        language_ids = [prompt[place] for prompt in prompts] if len(prompts) > 1 else []
        return torch.tensor(prompts[0][:place]), torch.tensor(language_ids)

    def language_probabilities(self, states: torch.Tensor, mask: torch.Tensor) -> list[list[float]]:
        """Of each row, how likely each of the configured languages is spoken in it."""
        if len(self._languages) == 1:
            return [[1.0]] * len(states)
        prefix = self._prefix.to(self._device).expand(len(states), -1)
        log_probs = self._model.log_softmax(
            hidden_states=self._model.transf_decoder(
                input_ids=prefix,
                decoder_mask=torch.ones_like(prefix),
                encoder_embeddings=states,
                encoder_mask=mask,
            )
        )[:, -1, self._language_ids.to(self._device)]
        probabilities: list[list[float]] = log_probs.float().softmax(dim=-1).tolist()
        return probabilities

    def is_sure(self, probabilities: Sequence[float]) -> bool:
        return max(probabilities) >= self._config.min_language_probability

    def language_of(
        self, probabilities: Sequence[float], target: str | None, among: Sequence[str] = ()
    ) -> str:
        """The likeliest language, where it is sure; else the likeliest that can become `target`.

        Of some that a client names, `among`, the likeliest: it knows that others are not spoken.
        """
        scores = dict(zip(self._languages, probabilities, strict=True))
        if named := [code for code in among if code in scores]:
            return max(named, key=scores.__getitem__)
        best = max(scores, key=scores.__getitem__)
        if self.is_sure(probabilities):
            return best
        possible = self._languages if target is None else self._config.sources_of(target)
        fallback = self._config.fallback_language or self._languages[0]
        return fallback if fallback in possible else max(possible, key=scores.__getitem__)

    def target_of(self, language: str, wanted: str | None) -> str:
        """What the text is written in: the speech's own language where it cannot be translated."""
        target = wanted or language
        return target if language in self._config.sources_of(target) else language
