// A wire to the server that can be cut: what travels is counted, and passed on byte by byte.
import { connect, createServer, type Server, type Socket } from "node:net";

export class Wire {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #isCut = false;

  private constructor(target: URL) {
    this.#server = createServer((client) => {
      if (this.#isCut) return void client.destroy();
      const server = connect(Number(target.port), target.hostname);
      const pair: [Socket, Socket] = [client, server];
      this.#pairs.add(pair);
      client.pipe(server).pipe(client);
      for (const socket of pair) {
        socket
          .on("error", () => {})
          .on("close", () => {
            this.#pairs.delete(pair);
            for (const either of pair) either.destroy();
          });
      }
    });
  }

  static async to(url: string): Promise<Wire> {
    const wire = new Wire(new URL(url));
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  get url(): string {
    const address = this.#server.address();
    if (typeof address !== "object" || !address) throw new Error("the wire is not laid");
    return `http://127.0.0.1:${address.port}`;
  }

  get isUsed(): boolean {
    return this.#pairs.size > 0;
  }

  /** Break what there is; with `stays`, nobody gets through any more. */
  cut({ stays = false } = {}): void {
    this.#isCut = stays;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut({ stays: true });
    this.#server.close();
  }
}
