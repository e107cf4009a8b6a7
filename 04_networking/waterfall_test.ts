import { assert, assertEquals } from "@std/assert";
import { type Bar, drawSvg, drawText } from "./waterfall.ts";

const BARS: Bar[] = [
  { name: "name", layer: "DNS", start: 0, ms: 25 },
  { name: "connection", layer: "TCP", start: 25, ms: 25 },
  { name: "page <1>", layer: "HTTP", start: 50, ms: 50 },
];

Deno.test("each bar begins where its step began, and is as long as it took", () => {
  const lines = drawText(BARS, 20).split("\n");
  assertEquals(lines.map((line) => line.slice(21, 41)), [
    "█████               ",
    "     █████          ",
    "          ██████████",
  ]);
  assertEquals(lines[0].slice(0, 20), "DNS      name       ");
  assertEquals(lines[2].slice(41), "    50.0 ms");
});

Deno.test("a step that took no time is seen, also at the very end", () => {
  const bars = [...BARS, { name: "end", layer: "HTTP", start: 100, ms: 0 }];
  const lines = drawText(bars, 10).split("\n");
  assertEquals(lines[3].slice(21, 31), "         █");
  assertEquals(
    drawText([{ name: "a", layer: "b", start: 0, ms: 0 }], 4).slice(21, 25),
    "█   ",
  );
});

Deno.test("the picture is one whole SVG, in which names are text", () => {
  const svg = drawSvg('a "b" & <c>', BARS);
  assert(
    svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '),
  );
  assert(svg.endsWith("</svg>\n"));
  assert(svg.includes("a &quot;b&quot; &amp; &lt;c>"));
  assert(svg.includes("HTTP: page &lt;1>"));
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g)]
    .map(([, x, width]) => [Number(x), Number(width)]);
  assertEquals(bars, [[170, 140], [310, 140], [450, 280]]);
  assertEquals(new Set(svg.match(/fill="#\w+"/g)).size, 3);
});

Deno.test("each of the seven layers has a colour of its own", () => {
  const names = ["hardware", "system", "browser", "DNS", "TCP", "TLS", "HTTP"];
  const bars = names.map((layer, start) => ({
    ...{ name: "a", layer, start, ms: 1 },
  }));
  const colours = drawSvg("", bars).match(/(?<=fill=")#\w+/g);
  assertEquals(new Set(colours).size, 7);
});
