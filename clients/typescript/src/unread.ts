/** What a server says, in; an async iterable for one reader, out. It ends, or ends with an error. */

import { UnreadError } from "./errors.js";

abstract class Mailbox<T> implements AsyncIterable<T> {
  protected readonly waiting: T[] = [];
  #ended: { error: unknown } | null = null;
  #wake = () => {};

  abstract put(value: T): void;

  /** No more comes; what waits is read first. Only the first end counts. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.wake();
  }

  get hasEnded(): boolean {
    return this.#ended !== null;
  }

  protected wake(): void {
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    while (true) {
      const next = this.waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.#ended) {
        if (this.#ended.error !== undefined) throw this.#ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** Of values that replace one another: who reads slowly reads the newest. */
export class Latest<T> extends Mailbox<T> {
  put(value: T): void {
    this.waiting.length = 0;
    this.waiting.push(value);
    this.wake();
  }
}

/** Of values of which each counts; too many that nobody reads end it. */
export class Channel<T> extends Mailbox<T> {
  readonly #maxUnread: number;

  constructor(maxUnread: number) {
    super();
    this.#maxUnread = maxUnread;
  }

  put(value: T): void {
    if (this.hasEnded) return;
    this.waiting.push(value);
    if (this.waiting.length > this.#maxUnread) this.end(new UnreadError(this.waiting.length));
    this.wake();
  }
}
