/**
 * The demo's pictures: three words and a number on one line, drawn from a seed at five levels of difficulty, so that a
 * recogniser has something to get wrong and everybody gets the same pictures. Same seed, same text and same pixels.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { WORDS } from "./words.js";

/** How a level draws its line. Sizes in pixels of the font's em. */
export interface Level {
  name: string;
  fontPx: number;
  /** Grey of the letters and of the paper, 0 to 255. */
  ink: number;
  paper: number;
  /** Standard deviation of the Gaussian blur in pixels; 0 for none. */
  blurSigma: number;
  /** Standard deviation of the added grey noise; 0 for none. */
  noiseSigma: number;
}

export const LEVELS: readonly Level[] = [
  { name: "clean", fontPx: 28, ink: 0, paper: 255, blurSigma: 0, noiseSigma: 0 },
  { name: "small", fontPx: 11.5, ink: 0, paper: 255, blurSigma: 0, noiseSigma: 0 },
  { name: "tiny", fontPx: 9, ink: 0, paper: 255, blurSigma: 0, noiseSigma: 0 },
  { name: "blurred", fontPx: 26, ink: 0, paper: 255, blurSigma: 2.5, noiseSigma: 0 },
  { name: "faint", fontPx: 24, ink: 150, paper: 235, blurSigma: 0, noiseSigma: 14 },
];

export interface DemoImage {
  /** File name, unique within a set. */
  name: string;
  level: string;
  text: string;
  png: Uint8Array;
}

/** `perLevel` pictures of every level, level by level. */
export async function demoImages(seed: number, perLevel: number): Promise<DemoImage[]> {
  const random = seededRandom(seed);
  const images: DemoImage[] = [];
  for (const level of LEVELS) {
    for (let i = 0; i < perLevel; i += 1) {
      const text = lineOfText(random);
      const png = await drawLine(text, level, random);
      images.push({
        name: `${level.name}-${String(i + 1).padStart(2, "0")}.png`,
        level: level.name,
        text,
        png,
      });
    }
  }
  return images;
}

/** Three different words and a number of two to four digits. */
export function lineOfText(random: () => number): string {
  const words = new Set<string>();
  while (words.size < 3) words.add(WORDS[Math.floor(random() * WORDS.length)] ?? "");
  return [...words, String(10 + Math.floor(random() * 9990))].join(" ");
}

/** A PNG of one line of text at one level; `random` decides the noise. */
export async function drawLine(text: string, level: Level, random: () => number): Promise<Uint8Array> {
  const margin = Math.ceil(level.fontPx * 0.8);
  const width = Math.ceil(textWidth(text, level.fontPx)) + 2 * margin;
  const height = Math.ceil(level.fontPx * 1.2) + 2 * margin;
  const grey = (value: number) => `rgb(${value},${value},${value})`;
  const paper = `<rect width="100%" height="100%" fill="${grey(level.paper)}"/>`;
  const line = textElement(text, level.fontPx, margin, margin + level.fontPx, grey(level.ink));
  const drawn = render(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${paper}${line}</svg>`,
  );
  let picture = sharp(drawn.render().asPng()).removeAlpha().greyscale();
  if (level.blurSigma > 0) picture = picture.blur(level.blurSigma);
  if (level.noiseSigma === 0) return picture.png().toBuffer();
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  for (let i = 0; i < data.length; i += 1) {
    data[i] = Math.max(0, Math.min(255, Math.round((data[i] ?? 0) + level.noiseSigma * gaussian(random))));
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
    .png()
    .toBuffer();
}

const textElement = (text: string, fontPx: number, x: number, y: number, fill: string): string =>
  `<text x="${x}" y="${y}" font-family="DejaVu Sans" font-size="${fontPx}" fill="${fill}">${text}</text>`;

/** Pixels the line takes, as drawn; 0 for spaces alone. */
function textWidth(text: string, fontPx: number): number {
  const line = textElement(text, fontPx, 0, fontPx, "black");
  return (
    render(`<svg xmlns="http://www.w3.org/2000/svg" width="9999" height="99">${line}</svg>`).getBBox()
      ?.width ?? 0
  );
}

const render = (svg: string): Resvg =>
  new Resvg(svg, {
    font: { fontFiles: [fontFile()], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  });

/** A standard normal value by the Box–Muller transform. */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const fontFile = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve("dejavu-fonts-ttf/package.json")),
    "ttf",
    "DejaVuSans.ttf",
  );
