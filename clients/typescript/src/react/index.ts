/** Hooks and a component for React 18 and later. */

export { LiveTranscript, type LiveTranscriptProps } from "./live-transcript.js";
export type { Run, Status } from "./runs.js";
export {
  type Transcription,
  type TranscriptionOptions,
  useTranscription,
} from "./use-transcription.js";
export {
  type Translation,
  type TranslationOptions,
  type Utterance,
  useTranslation,
  type Voice,
} from "./use-translation.js";
