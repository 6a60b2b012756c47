/**
 * What can go wrong between a client and a server.
 *
 *     ChorusError              `code` says what, `message` is fit to be shown
 *     ├── UnreachableError     nothing answers at the address
 *     ├── AnswerTimeoutError   the server took longer than this client waits
 *     ├── ConnectionLostError  the connection broke, and could not be made again in time
 *     ├── UnreadError          nobody read what the server said
 *     ├── ClosedError          it was this client that gave the stream up
 *     ├── ServerError          the server said no to the handshake, and why
 *     └── StreamEndedError     the server ended the stream, and why
 */

/** The server's own codes (docs/api.md, "Errors"); newer servers may have more. */
export type ServerCode =
  | "invalid_option"
  | "unsupported_option"
  | "unsupported_language"
  | "unsupported_translation"
  | "unsupported_format"
  | "empty_audio"
  | "undecodable_audio"
  | "audio_too_long"
  | "model_not_found"
  | "model_unavailable"
  | "invalid_message"
  | "invalid_api_key"
  | "origin_refused"
  | "at_capacity"
  | "uploads_full"
  | "deadline_exceeded"
  | "request_limit_reached"
  | "audio_limit_reached"
  | "stream_limit_reached"
  | "stream_idle"
  | "stream_overrun"
  | "shutting_down"
  | "engine_failed"
  | "internal_error";

/** Codes of this client, for what no server said. */
export type ClientCode =
  | "unreachable"
  | "answer_timeout"
  | "connection_lost"
  | "unread"
  | "closed"
  | "refused"
  | "stream_ended"
  | "no_microphone"
  | "microphone_denied"
  | "microphone_busy";

// Known codes are completed by editors, and any other string is a code, too.
export type ErrorCode = ServerCode | ClientCode | (string & {});

export class ChorusError extends Error {
  override readonly name: string = "ChorusError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export class UnreachableError extends ChorusError {
  override readonly name = "UnreachableError";

  constructor(url: string, reason: string) {
    super("unreachable", `no server answers at ${url} (${reason || "no reason given"})`);
  }
}

export class AnswerTimeoutError extends ChorusError {
  override readonly name = "AnswerTimeoutError";

  constructor(url: string, timeoutMs: number) {
    super("answer_timeout", `${url} did not answer within ${timeoutMs / 1000} s`);
  }
}

export class ConnectionLostError extends ChorusError {
  override readonly name = "ConnectionLostError";

  constructor(url: string, reason: string) {
    super("connection_lost", `the connection to ${url} was lost: ${reason}`);
  }
}

export class UnreadError extends ChorusError {
  override readonly name = "UnreadError";

  constructor(numUnread: number) {
    super("unread", `${numUnread} events wait, and nobody reads them`);
  }
}

export class ClosedError extends ChorusError {
  override readonly name = "ClosedError";

  constructor() {
    super("closed", "the stream was closed");
  }
}

/** What the server says of an error: OpenAI's shape. */
export interface Problem {
  message: string;
  type?: string | null;
  param?: string | null;
  code?: string | null;
}

export class ServerError extends ChorusError {
  override readonly name = "ServerError";
  readonly param: string | null;

  constructor(
    /** HTTP status; 0 where the browser does not tell it. */
    readonly status: number,
    problem: Problem,
    readonly retryAfterS: number | null = null,
  ) {
    super(problem.code ?? "refused", problem.message);
    this.param = problem.param ?? null;
  }
}

export class StreamEndedError extends ChorusError {
  override readonly name = "StreamEndedError";
  readonly param: string | null;

  constructor(
    /** As WebSockets close: RFC 6455 §7.4.1. */
    readonly closeCode: number,
    reason: string,
    problem: Problem | null = null,
  ) {
    const said = problem?.message ?? (reason || "without a reason");
    super(problem?.code ?? (reason || "stream_ended"), `the server ended the stream: ${said}`);
    this.param = problem?.param ?? null;
  }
}

/** RFC 6455 §7.4.1 and IANA's registry: going away, nothing said, abnormal, restart, try later. */
const COME_BACK = new Set([1001, 1005, 1006, 1012, 1013]);
const BUSY = new Set([429, 502, 503, 504]);
/** Until tomorrow. */
const IN_VAIN = new Set<string>(["audio_limit_reached"]);

/** Whether another try may find the server willing. */
export function mayPass(error: unknown): boolean {
  if (error instanceof UnreachableError || error instanceof AnswerTimeoutError) return true;
  if (error instanceof ServerError) {
    // Browsers do not tell why: a server that has just been there may only be busy.
    const isBusy = BUSY.has(error.status) || error.code === "refused";
    return isBusy && !IN_VAIN.has(error.code);
  }
  if (error instanceof StreamEndedError) {
    return COME_BACK.has(error.closeCode) && !IN_VAIN.has(error.code);
  }
  return false;
}
