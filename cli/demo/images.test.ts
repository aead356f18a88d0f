import sharp from "sharp";
import { expect, test } from "vitest";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { demoImages, drawLine, LEVELS, type Level, lineOfText } from "./images.js";

const level = (name: string): Level => {
  const found = LEVELS.find((l) => l.name === name);
  if (!found) throw new Error(`no level ${name}`);
  return found;
};

async function pixels(png: Uint8Array): Promise<{ data: Buffer; width: number; height: number }> {
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** Height in pixels of the rows that hold ink (darker than half-way to the darkest pixel). */
async function inkRows(png: Uint8Array): Promise<number> {
  const { data, width, height } = await pixels(png);
  const threshold = (Math.min(...data) + Math.max(...data)) / 2;
  return Array.from({ length: height }, (_, y) => data.subarray(y * width, (y + 1) * width)).filter((row) =>
    row.some((v) => v < threshold),
  ).length;
}

test("the same seed gives the same bytes, another seed others", async () => {
  const [a, b, c] = await Promise.all([demoImages(3, 1), demoImages(3, 1), demoImages(4, 1)]);
  expect(a).toEqual(b);
  expect(a.map((i) => i.text)).not.toEqual(c.map((i) => i.text));
});

test("five levels, twelve pictures each, every name once, three words and a number", async () => {
  const images = await demoImages(7, 2);
  expect(images.map((i) => i.level)).toEqual(
    ["clean", "small", "tiny", "blurred", "faint"].flatMap((l) => [l, l]),
  );
  expect(new Set(images.map((i) => i.name)).size).toBe(10);
  for (const image of images) expect(image.text).toMatch(/^([a-z]+ ){3}\d{2,4}$/);
});

test("the words of a line differ", () => {
  const random = seededRandom(1);
  for (let i = 0; i < 200; i += 1) {
    const words = lineOfText(random).split(" ").slice(0, 3);
    expect(new Set(words).size).toBe(3);
  }
});

test("letters are as tall as their level says: ascender to descender is about one em", async () => {
  for (const name of ["clean", "small", "tiny"]) {
    const l = level(name);
    const rows = await inkRows(await drawLine("lily puppy 42", l, seededRandom(1)));
    expect(rows / l.fontPx).toBeGreaterThan(0.8);
    expect(rows / l.fontPx).toBeLessThan(1.2);
  }
});

test("text that is longer leaves more ink: the picture shows the text, not a placeholder", async () => {
  const ink = async (text: string) => {
    const { data } = await pixels(await drawLine(text, level("clean"), seededRandom(1)));
    return data.reduce((sum, v) => sum + (255 - v), 0);
  };
  expect(await ink("amber anchor basket 1234")).toBeGreaterThan(1.5 * (await ink("amber anchor")));
  expect(await ink(" ")).toBe(0);
});

test("no line runs out of its picture", async () => {
  for (const l of LEVELS) {
    const { data, width, height } = await pixels(
      await drawLine("mmmmmmmm mmmmmmmm mmmmmmmm 9999", { ...l, noiseSigma: 0 }, () => 0),
    );
    const column = (x: number) => Array.from({ length: height }, (_, y) => data[y * width + x] ?? 0);
    expect(Math.min(...column(width - 1))).toBeGreaterThan(l.paper - 10);
  }
});

test("blur softens: far fewer pixels are nearly black than without it", async () => {
  const dark = async (blurSigma: number) => {
    const { data } = await pixels(
      await drawLine("amber anchor 12", { ...level("blurred"), blurSigma }, () => 0),
    );
    return data.filter((v) => v < 40).length;
  };
  expect(await dark(level("blurred").blurSigma)).toBeLessThan((await dark(0)) / 10);
});

test("noise is there and as strong as its level says; other levels have none", async () => {
  const l = level("faint");
  const spread = async (noiseSigma: number) => {
    const { data } = await pixels(
      await drawLine(" ".repeat(20), { ...l, ink: l.paper, noiseSigma }, seededRandom(5)),
    );
    const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
    return Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length);
  };
  expect(await spread(0)).toBe(0);
  const measured = await spread(l.noiseSigma);
  // Clipping at white takes a little off.
  expect(measured).toBeGreaterThan(0.7 * l.noiseSigma);
  expect(measured).toBeLessThan(1.1 * l.noiseSigma);
});
