"""A conversation: somebody's speech in, its text and its sound in another language out.

```
feed ──voice activity──▶ utterances ──translator──▶ text ──sentences──▶ speaker ──▶ sound
                              └───── several at once, told one after the other ─────┘
```
events        what is told
hearing       audio as it arrives, cut into utterances
turns         utterances under way, told strictly in order
translating   an utterance, to its text: by a model for recordings
speaking      a text as it grows, to the sound of its sentences
conversation  all of it, utterance by utterance
streamed      the same over a model for live streams, which translates while somebody speaks
fake          a translator and a speaker for tests
"""
