/** Datasets whose pictures have labels beside them (YOLO), or lie in the table themselves (TSV). */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { resolveDataset } from "./resolve-dataset.js";

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sai-labels-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}
const picture = (width: number): Promise<Buffer> =>
  sharp({ create: { width, height: 8, channels: 3, background: { r: width % 256, g: 0, b: 7 } } })
    .png()
    .toBuffer();
const resolve = (spec: Partial<DatasetSpec>) =>
  resolveDataset(
    { field: "datasets[0]", id: "d", path: "d", ...spec },
    { sha256, files: { kind: "within", dir: root } },
  );
const told = ({ findings }: Awaited<ReturnType<typeof resolve>>) =>
  findings.map(({ severity, message }) => `${severity}: ${message}`);

describe("YOLO", () => {
  const SMALL = "0 0.5 0.5 0.1 0.2\n";

  test("images and labels side by side, classes by name: what is seen, and where there is smoke", async () => {
    for (const name of ["10.png", "2.png", "3.png"]) await put(`d/images/${name}`, await picture(9));
    await put("d/labels/2.txt", `1 0.2 0.2 0.4 0.4\r\n${SMALL}1 0.3 0.3 0.1 0.1 0.97\n\n`);
    await put("d/labels/3.txt", "");
    await put("d/classes.txt", "smoke\nfire\n\n");
    const found = await resolve({});
    expect(told(found)).toEqual([
      "warning: d: 1 of 3 pictures have no label file; there is nothing to see in them, as YOLO has it",
    ]);
    expect(found.items.map(({ id, truth }) => [id, truth])).toEqual([
      [
        "2.png",
        {
          boxes: [
            { label: "fire", bbox: [0.2, 0.2, 0.4, 0.4] },
            { label: "smoke", bbox: [0.5, 0.5, 0.1, 0.2] },
            { label: "fire", bbox: [0.3, 0.3, 0.1, 0.1] },
          ],
          objects: [
            { name: "fire", count: 2 },
            { name: "smoke", count: 1 },
          ],
          categories: { fire: 2, smoke: 1 },
          total_objects: 3,
          has_smoke: true,
          bbox: [0.5, 0.5, 0.1, 0.2],
        },
      ],
      ["3.png", expect.objectContaining({ boxes: [], has_smoke: false, bbox: null })],
      ["10.png", expect.objectContaining({ boxes: [], has_smoke: false })],
    ]);
    expect(found.items[0]?.media).toMatchObject([{ kind: "image", width: 9, name: "images/2.png" }]);
  });

  test("a split is a folder; without names of classes everything is smoke; with others nothing is said of it", async () => {
    for (const part of ["train", "val"]) await put(`d/images/${part}/${part}.png`, await picture(9));
    await put("d/labels/val/val.txt", SMALL);
    const val = await resolve({ split: "val" });
    expect(told(val)).toEqual([]);
    expect(val.items.map(({ id, truth }) => [id, truth])).toEqual([
      [
        "val.png",
        {
          boxes: [{ bbox: [0.5, 0.5, 0.1, 0.2] }],
          total_objects: 1,
          has_smoke: true,
          bbox: [0.5, 0.5, 0.1, 0.2],
        },
      ],
    ]);
    const cats = await resolve({ split: "val", yolo: { classes: ["cat"] } });
    expect(cats.items[0]?.truth).not.toHaveProperty("has_smoke");
    expect(told(await resolve({ split: "test" }))[0]).toMatch(/no items|split/);
  });

  test("labels elsewhere, or beside the pictures", async () => {
    await put("d/a.png", await picture(9));
    await put("d/truth/a.txt", SMALL);
    const elsewhere = await resolve({ type: "yolo", yolo: { labelsPath: "truth" } });
    expect(elsewhere.items[0]?.truth).toMatchObject({ has_smoke: true });
    await put("d/a.txt", "");
    expect((await resolve({ type: "yolo" })).items[0]?.truth).toMatchObject({ has_smoke: false });
  });

  test.each([
    ["0 0.5 0.5 0.1", "4 numbers; `class xc yc w h` is expected"],
    ["0 0.1 0.1 0.2 0.2 0.3 0.3", "7 numbers; `class xc yc w h` is expected, no outline"],
    ["1 0.5 0.5 0.1 0.2", "the class 1 has no name; there are 1, from 0"],
    ["0.5 0.5 0.5 0.1 0.2", "the class 0.5 is no index"],
    ["0 50 50 10 20", "the box 50 50 10 20 is none of 0 to 1, in shares of the picture"],
    ["0 0.5 0.5 0 0.2", "the box 0.5 0.5 0 0.2 is none of 0 to 1, in shares of the picture"],
    ["smoke 0.5 0.5 0.1 0.2", '"smoke 0.5 0.5 0.1 0.2" has more than numbers'],
  ])("%s is refused with its file and line", async (line, words) => {
    await put("d/images/a.png", await picture(9));
    await put("d/labels/a.txt", `${SMALL}${line}\n`);
    const found = await resolve({ yolo: { classes: ["smoke"] } });
    expect(told(found)).toEqual([`error: d/labels/a.txt line 2: ${words}`]);
    expect(found.items).toEqual([]);
  });

  test("labels that are not there, and paths that lead out of the folder", async () => {
    await put("d/images/a.png", await picture(9));
    await put("secret.txt", "password\n");
    expect(told(await resolve({ type: "yolo" }))[0]).toBe(
      "error: d has no labels: there is no folder labels",
    );
    await put("d/labels/a.txt", SMALL);
    for (const [key, spec] of [
      ["classes", { yolo: { classes: "../secret.txt" } }],
      ["labels_path", { yolo: { labelsPath: "/etc" } }],
      ["split", { split: "../.." }],
    ] as const) {
      const { findings } = await resolve(spec);
      expect(findings[0]).toMatchObject({ severity: "error", field: `datasets[0].${key}` });
      expect(findings[0]?.message).toContain("leads out of the dataset's folder");
    }
    expect(told(await resolve({ yolo: { classes: "names" } }))).toEqual(["error: d/names is not there"]);
  });
});

describe("TSV", () => {
  test("pictures in base64, shared by index, several in one row, or as files; the row's index is its id", async () => {
    const [red, green] = [await picture(30), await picture(40)].map((bytes) => bytes.toString("base64"));
    await put(
      "d.tsv",
      [
        "index\timage\tquestion\tanswer\tA\tB",
        `7\t${red}\tWhat is 5" wide?\tA\tit\tnot`,
        "8\t7\tAgain?\tB\tit\tnot",
        `9\t"['${red}', '${green}']"\tBoth?\tA\tit\tnot`,
        "10\tlone.png\tFile?\tB\tit\tnot",
        "11\t\tNone?\tB\tit\tnot",
      ].join("\n"),
    );
    await put("lone.png", await picture(50));
    const found = await resolve({ path: "d.tsv", target: { path: "answer" } });
    expect(told(found)).toEqual([]);
    expect(
      found.items.map(({ id, target, media }) => [
        id,
        target,
        media.map((one) => (one.kind === "image" ? one.width : 0)),
      ]),
    ).toEqual([
      ["7", "A", [30]],
      ["8", "B", [30]],
      ["9", "A", [30, 40]],
      ["10", "B", [50]],
      ["11", "B", []],
    ]);
    expect(found.items[0]?.vars).toMatchObject({ question: 'What is 5" wide?', A: "it" });
    const kept = [...found.media.values()].map((source) => typeof source);
    expect(kept.sort()).toEqual(["object", "object", "string"]);
    for (const [hash, source] of found.media)
      if (typeof source !== "string") expect(sha256(source)).toBe(hash);
  });

  test("what is no picture is said with its line", async () => {
    const long = "x".repeat(80);
    await put("d.tsv", `index\timage\tq\n1\t${long}!\ta\n2\t99\tb\n`);
    expect(told(await resolve({ path: "d.tsv" }))).toEqual([
      "error: d.tsv line 2: the picture in `image` is no base64",
      "error: d.tsv line 3: `image` names the row 99, which has no picture",
    ]);
    await put("e.tsv", `index\timage\tq\n1\t${Buffer.from(long).toString("base64")}\ta\n`);
    expect(told(await resolve({ path: "e.tsv" }))[0]).toMatch(
      /^warning: item 1: picture 1 is no picture that can be read/,
    );
  });
});
