#!/usr/bin/env -S deno run
/**
 * Q. Where did the time go?
 *
 * A. Draw each step as a bar, from when it began to when it ended, one below the other, on
 * one scale. What waits for what is then plain to see, and so is what to mend: a long bar,
 * or many in a row that could have been side by side.
 *
 * Trap: bars of so many per cent: what counts is when each begins.
 * Left out: steps side by side; here each waits for the one before.
 * Source: the network panels of browsers; W3C Navigation Timing.
 * Run: `deno run waterfall.ts`
 * @module
 */

/** A bar. */
export interface Bar {
  readonly name: string;
  readonly layer: string;
  /** ms. */
  readonly start: number;
  readonly ms: number;
}

/** A line of text for each bar, so many characters wide for the time. */
export function drawText(bars: readonly Bar[], width = 40): string {
  const end = totalOf(bars);
  const at = (ms: number) => Math.round(ms / end * width);
  return bars.map(({ name, layer, start, ms }) => {
    const from = Math.min(at(start), width - 1);
    const length = Math.max(1, at(start + ms) - from);
    const bar = " ".repeat(from) + "█".repeat(length);
    return `${layer.padEnd(8)} ${name.padEnd(11)} ${bar.padEnd(width)} ` +
      `${ms.toFixed(1).padStart(7)} ms`;
  }).join("\n");
}

/** The colours of layers; the order is that in which they are used. */
const COLOURS = [
  "#4c78a8",
  "#f58518",
  "#54a24b",
  "#b279a2",
  "#e45756",
  "#72b7b2",
  "#9d755d",
];

/** The bars as a picture: one SVG, complete in itself. */
export function drawSvg(title: string, bars: readonly Bar[]): string {
  const [left, width, height] = [170, 560, 24];
  const end = totalOf(bars);
  const layers = [...new Set(bars.map(({ layer }) => layer))];
  const x = (ms: number) => (left + ms / end * width).toFixed(1);
  const rows = bars.map(({ name, layer, start, ms }, i) => {
    const y = 40 + i * height;
    const colour = COLOURS[layers.indexOf(layer) % COLOURS.length];
    const wide = Math.max(1, ms / end * width).toFixed(1);
    return `  <text x="8" y="${y + 14}">${escape(`${layer}: ${name}`)}</text>
  <rect x="${x(start)}" y="${y}" width="${wide}" height="18" fill="${colour}"/>
  <text x="${left + width + 8}" y="${y + 14}">${ms.toFixed(1)} ms</text>`;
  });
  const size = `${left + width + 90} ${56 + bars.length * height}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" font-family="sans-serif" font-size="13">
  <rect width="100%" height="100%" fill="white"/>
  <text x="8" y="22" font-weight="bold">${escape(title)}</text>
${rows.join("\n")}
</svg>
`;
}

/** When the last bar ends, and not 0. */
const totalOf = (bars: readonly Bar[]) =>
  Math.max(...bars.map(({ start, ms }) => start + ms), 1e-3);

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(
    '"',
    "&quot;",
  );

if (import.meta.main) {
  // 10,000 km of fibre, there and back: 98 ms a round trip, and four of them.
  const trip = 98;
  const bars = [
    { name: "name", layer: "DNS", start: 0, ms: trip },
    { name: "connection", layer: "TCP", start: trip, ms: trip },
    { name: "encryption", layer: "TLS", start: 2 * trip, ms: trip },
    { name: "page", layer: "HTTP", start: 3 * trip, ms: trip },
  ];
  console.log(drawText(bars));
  console.log(
    `a first visit over 10,000 km: 4 round trips of ${trip} ms, ${4 * trip} ms`,
  );
}
