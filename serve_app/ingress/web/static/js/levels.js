// How loud each block was, in; bars that wander to the left, on a canvas.

const NUM_BARS = 160;
const QUIET = 0.02;

export class Levels {
  #canvas;
  #levels = new Array(NUM_BARS).fill(0);
  #frame = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  add(level) {
    this.#levels.push(level);
    this.#levels.shift();
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  clear() {
    this.#levels.fill(0);
    this.#draw();
  }

  #draw() {
    this.#frame = 0;
    const canvas = this.#canvas;
    const scale = devicePixelRatio || 1;
    const width = (canvas.width = canvas.clientWidth * scale);
    const height = (canvas.height = canvas.clientHeight * scale);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const thick = 3 * scale;
    const num = Math.min(NUM_BARS, Math.floor(width / (2 * thick)));
    const step = width / num;
    for (let bar = 0; bar < num; bar++) {
      const level = this.#levels[NUM_BARS - num + bar];
      const tall = Math.max(thick, level * height);
      pen.fillStyle = style.getPropertyValue(level > QUIET ? "--accent" : "--line");
      pen.globalAlpha = level > QUIET ? 0.3 + (0.7 * bar) / num : 1;
      pen.beginPath();
      pen.roundRect(bar * step + (step - thick) / 2, (height - tall) / 2, thick, tall, thick / 2);
      pen.fill();
    }
  }
}
