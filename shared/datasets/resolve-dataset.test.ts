import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import type { FilePlace } from "./locate.js";
import { type ResolveOptions, resolveDataset } from "./resolve-dataset.js";

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sai-datasets-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

const picture = (width: number, height: number, format: "png" | "jpeg" = "png"): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: width % 256, g: height % 256, b: 7 } } })
    .toFormat(format)
    .toBuffer();

function resolve(spec: Partial<DatasetSpec>, options: Partial<ResolveOptions> = {}) {
  const files: FilePlace = { kind: "local", root };
  return resolveDataset({ field: "datasets[0]", id: "d", ...spec }, { sha256, files, ...options });
}

const told = (result: Awaited<ReturnType<typeof resolve>>) =>
  result.findings.map(({ severity, message }) => `${severity}: ${message}`);

test("inline items need no files", async () => {
  const result = await resolveDataset(
    {
      field: "datasets[0]",
      id: "d",
      items: [
        { input: "a", target: 4, level: "easy", topic: "sums" },
        { id: "x", question: "q", ground_truth: { k: 1 } },
      ],
    },
    { sha256 },
  );
  expect(result.findings).toEqual([]);
  expect(result.items).toEqual([
    { id: "0", input: "a", target: "4", level: "easy", vars: { topic: "sums" }, media: [] },
    { id: "x", vars: { question: "q" }, truth: { k: 1 }, media: [] },
  ]);
});

test("JSON lines of free columns, with the target taken out of one of them", async () => {
  await put(
    "qa.jsonl",
    '{"question":"2+2?","answer":"think\\n#### 1,004"}\n\n{"question":"0?","answer":"#### -0"}\r\n',
  );
  const result = await resolve({ path: "qa.jsonl", target: { path: "answer", extract: "#### (-?[0-9,]+)" } });
  expect(result.findings).toEqual([]);
  expect(result.items.map(({ vars, target }) => ({ vars, target }))).toEqual([
    { vars: { question: "2+2?" }, target: "1,004" },
    { vars: { question: "0?" }, target: "-0" },
  ]);
});

test("a target that is not there or does not match is an error with its line", async () => {
  await put("qa.jsonl", '{"answer":"none"}\n{"question":"x"}\n');
  const result = await resolve({ path: "qa.jsonl", target: { path: "answer", extract: "#### (.*)" } });
  expect(told(result)).toEqual([
    'error: qa.jsonl line 1: the target pattern "#### (.*)" does not match "none"',
    'error: qa.jsonl line 2: there is no "answer" for the target',
  ]);
});

test("CSV with a header: quotes, blank lines, pictures, levels", async () => {
  await put("data/a.png", await picture(4, 3));
  await put(
    "data/t.csv",
    '\uFEFFid,image,target,level,note\r\n1,a.png,"two, words",easy,\r\n\r\n2,a.png;a.png,"say ""x""",hard,n\r\n',
  );
  const result = await resolve({ path: "data/t.csv" });
  expect(result.findings).toEqual([]);
  expect(result.items).toMatchObject([
    { id: "1", target: "two, words", level: "easy", media: [{ kind: "image", width: 4, height: 3 }] },
    { id: "2", target: 'say "x"', level: "hard", vars: { note: "n" }, media: [{}, {}] },
  ]);
  expect(result.media.size).toBe(1);
});

const MALFORMED: [name: string, file: string, content: string | Uint8Array, message: RegExp][] = [
  ["a ragged CSV row", "x.csv", "a,b\n1,2\n3\n", /^x\.csv line 3: /],
  ["an open quote", "x.csv", 'a,b\n1,"2\n', /^x\.csv line \d: /],
  ["a column twice", "x.csv", "a,a\n1,2\n", /^x\.csv line 1: the column "a"/],
  ["a __proto__ column", "x.csv", "__proto__,b\n1,2\n", /^x\.csv line 1: the column "__proto__"/],
  ["a malformed line", "x.jsonl", '{"a":1}\n{"a":\n', /^x\.jsonl line 2: no valid JSON/],
  [
    "a __proto__ key",
    "x.jsonl",
    '{"a":1}\n{"b":{"__proto__":{}}}\n',
    /^x\.jsonl line 2: the key "__proto__"/,
  ],
  ["deep JSON", "x.json", `[${"[".repeat(100)}`, /^x\.json: nested deeper than 32/],
  ["broken JSON", "x.json", '[\n{"a": 1},\n{"a" 2}\n]', /^x\.json line 3: no valid JSON/],
  ["an object for a list", "x.json", '{"a": 1}', /^x\.json: expected a list/],
  ["a number for a row", "x.json", "[1]", /^x\.json item 0: not an object/],
  ["images that are no list", "x.json", '[{"images": 3}]', /^x\.json item 0: `images` is not a list/],
  [
    "a picture from elsewhere",
    "x.json",
    '[{"images": ["https://a/b.png"]}]',
    /not supported in this version/,
  ],
  [
    "an id twice",
    "x.json",
    '[{"id": "a"}, {"id": "a"}]',
    /^x\.json item 1: the item id "a" is already used at x\.json item 0/,
  ],
  ["invalid UTF-8", "x.jsonl", Uint8Array.from([0x22, 0xc3, 0x28, 0x22]), /^x\.jsonl is not valid UTF-8/],
  ["an unknown kind of file", "x.bin", "abc", /no kind of dataset/],
];

test.each(MALFORMED)("an error with file and line: %s", async (_name, file, content, message) => {
  await put(file, content);
  const errors = (await resolve({ path: file })).findings;
  expect(errors.map(({ severity }) => severity)).toEqual(["error"]);
  expect(errors[0]?.message).toMatch(message);
});

test("every malformed line is reported, the first ten by number", async () => {
  await put("x.jsonl", "{\n".repeat(25));
  const lines = told(await resolve({ path: "x.jsonl" }));
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe("error: x.jsonl: 15 more lines are no JSON");
  await put("x.jsonl", "{\n".repeat(11));
  expect(told(await resolve({ path: "x.jsonl" })).at(-1)).toBe("error: x.jsonl: 1 more line is no JSON");
});

test("SAI rows: groups, sequences, sizes read from the file, missing pictures", async () => {
  await put("images/t_640.jpg", await picture(64, 64, "jpeg"));
  const row = (id: string, image: string) => ({
    image_id: id,
    images: [image],
    resolution: "64x43",
    sequence_id: "s1",
    ground_truth: { has_smoke: true },
  });
  await put(
    "datasets/d.json",
    JSON.stringify([row("t_640", "images/t_640.jpg"), row("t_1920", "images/none.jpg")]),
  );
  const result = await resolve({ path: "datasets/d.json" });
  expect(told(result)).toEqual([
    "warning: item t_640: picture images/t_640.jpg is labelled 64x43, is 64x64",
    "warning: item t_1920: picture images/none.jpg is missing (file not found)",
  ]);
  const bytes = await readFile(join(root, "images/t_640.jpg"));
  expect(result.items).toEqual([
    {
      id: "t_640",
      group: "t",
      cluster: "s1",
      vars: { sequence_id: "s1" },
      truth: { has_smoke: true },
      media: [
        {
          kind: "image",
          name: "images/t_640.jpg",
          sha256: sha256(bytes),
          mime: "image/jpeg",
          bytes: bytes.byteLength,
          width: 64,
          height: 64,
        },
      ],
    },
    expect.objectContaining({
      id: "t_1920",
      group: "t",
      media: [{ kind: "missing", name: "images/none.jpg", reason: "file not found" }],
    }),
  ]);
  expect([...result.media]).toEqual([[sha256(bytes), join(root, "images/t_640.jpg")]]);
});

test("two questions about one picture are two items", async () => {
  const result = await resolve({
    items: [
      { image_id: "a_1", input: "x" },
      { image_id: "a_1", input: "y" },
    ],
  });
  expect(result.items.map(({ id, group }) => [id, group])).toEqual([
    ["a_1", "a"],
    ["a_1#1", "a"],
  ]);
});

test("truth that contradicts itself warns once an item, with every contradiction", async () => {
  const object = (name: string, color: string, more = {}) => ({ name, color, category: "c", ...more });
  const ground_truth = {
    objects: [object("pens", "red", { count: 3 }), object("cup", "white")],
    total_objects: 2,
    categories: { c: 2 },
    colors: { red: 1, white: 2 },
    bbox: [1, 2],
  };
  const consistent = {
    objects: [object("cup", "white")],
    total_objects: 1,
    colors: { white: 1 },
    bbox: null,
  };
  const result = await resolve({
    items: [
      { id: "a", ground_truth },
      { id: "b", ground_truth: consistent },
    ],
  });
  expect(told(result)).toEqual([
    "warning: item a: its truth contradicts itself: bbox [1,2] is no [xc, yc, w, h] of 0 to 1; " +
      "total_objects is 2, the counts of its objects add up to 4; " +
      "colors add up to 3, total_objects is 2; colors.white is 2, its objects make 1",
  ]);
});

test("a folder of sequences: natural order, truth beside it, pictures evenly spaced", async () => {
  for (const n of [1, 2, 3, 10, 11]) await put(`fire/seq_b/${n}.png`, await picture(n, 2));
  await put("fire/seq_b.txt", "0.5, 0.25,0.1,0.2\n");
  await put("fire/seq_a/1.jpg", await picture(5, 5, "jpeg"));
  await put("fire/seq_a.txt", "");
  await put("fire/seq_10/x.png", await picture(6, 6));
  await put("fire/seq_10.txt", "smoke over the ridge");
  await put("fire/seq_9/x.png", await picture(7, 7));
  await put("fire/empty/readme.md", "no pictures");
  const result = await resolve({ path: "fire" }, { maxImages: 3 });
  expect(result.findings).toEqual([]);
  expect(result.items.map(({ id, truth, cluster }) => ({ id, truth, cluster }))).toEqual([
    { id: "seq_9", truth: undefined, cluster: "seq_9" },
    { id: "seq_10", truth: { has_smoke: true }, cluster: "seq_10" },
    { id: "seq_a", truth: { has_smoke: false }, cluster: "seq_a" },
    { id: "seq_b", truth: { has_smoke: true, bbox: [0.5, 0.25, 0.1, 0.2] }, cluster: "seq_b" },
  ]);
  expect(result.items[3]?.media.map(({ name }) => name)).toEqual([
    "seq_b/1.png",
    "seq_b/3.png",
    "seq_b/11.png",
  ]);
  expect(result.media.size).toBe(6);
});

test("a plain folder of pictures has no truth", async () => {
  for (const name of ["b10.png", "b9.png", "notes.txt", ".hidden.png"])
    await put(`pics/${name}`, await picture(3, 3));
  const result = await resolve({ path: "pics" });
  expect(result.items.map(({ id, truth }) => [id, truth])).toEqual([
    ["b9.png", undefined],
    ["b10.png", undefined],
  ]);
});

test("broken, empty and disguised pictures are missing with a reason; too large ones are errors", async () => {
  await put("x/broken.png", "not a picture");
  await put("x/empty.png", "");
  await put("x/vector.png", '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
  await put(
    "x/huge.png",
    await sharp({ create: { width: 5001, height: 5000, channels: 3, background: "red" } })
      .png()
      .toBuffer(),
  );
  await put("x/real.jpg", await picture(8, 8, "png"));
  const bmp = Buffer.alloc(58);
  bmp.write("BM");
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(1, 18);
  bmp.writeInt32LE(-1, 22);
  await put("x/small.bmp", bmp);
  const result = await resolve({ path: "x", type: "images" });
  expect(told(result)).toEqual([
    expect.stringMatching(
      /^warning: item broken\.png: picture broken\.png is no picture that can be read: ./,
    ),
    "warning: item empty.png: picture empty.png is no picture that can be read: the file is empty",
    "error: item huge.png: huge.png has 5001x5000 pixels; the limit is 25 megapixels",
    expect.stringMatching(
      /^warning: item vector\.png: picture vector\.png is no picture that can be read: svg is not one of/,
    ),
  ]);
  expect(
    result.items.map(({ id, media }) => [id, media[0]?.kind === "image" ? media[0].mime : "missing"]),
  ).toEqual([
    ["broken.png", "missing"],
    ["empty.png", "missing"],
    ["huge.png", "missing"],
    ["real.jpg", "image/png"],
    ["small.bmp", "image/bmp"],
    ["vector.png", "missing"],
  ]);
});

test("an absent dataset warns and says why; an empty one too", async () => {
  const absent = await resolve({ path: "none" });
  expect(told(absent)).toEqual([`warning: none is not there below ${root}: dataset d is not run`]);
  expect(absent).toMatchObject({ items: [], absent: expect.stringContaining("not there") });
  await put("empty.jsonl", "\n");
  expect(told(await resolve({ path: "empty.jsonl" }))).toEqual(["warning: d has no items: not run"]);
});

test("without root, paths lead to the nearest folder at or above the suite where they exist", async () => {
  await put("project/suites/deep/s.yaml", "");
  await put("project/data.jsonl", '{"input":"far"}');
  await put("project/suites/data.jsonl", '{"input":"near"}');
  const files: FilePlace = { kind: "local", suiteFile: join(root, "project/suites/deep/s.yaml") };
  expect((await resolve({ path: "data.jsonl" }, { files })).items[0]?.input).toBe("near");
  await rm(join(root, "project/suites/data.jsonl"));
  expect((await resolve({ path: "data.jsonl" }, { files })).items[0]?.input).toBe("far");
});

test("on a coordinator no path leaves its folder, neither by dots nor by links", async () => {
  await put("secret.jsonl", '{"input":"secret"}');
  await put("secret.png", await picture(2, 2));
  await put("inside/own.jsonl", '{"input":"own"}');
  await put(
    "inside/sub/pics.json",
    '[{"images": ["../../secret.png"]}, {"images": ["link.png"]}, {"images": ["/etc/hostname"]}]',
  );
  await symlink(join(root, "secret.jsonl"), join(root, "inside/link.jsonl"));
  await symlink(join(root, "secret.png"), join(root, "inside/sub/link.png"));
  await symlink(root, join(root, "inside/up"));
  const files: FilePlace = { kind: "within", dir: join(root, "inside") };
  expect((await resolve({ path: "own.jsonl" }, { files })).items).toHaveLength(1);
  for (const path of [
    "../secret.jsonl",
    join(root, "secret.jsonl"),
    "link.jsonl",
    "up/secret.jsonl",
    "sub/../../secret.jsonl",
  ]) {
    const result = await resolve({ path }, { files });
    expect(told(result)).toEqual([`error: ${path} leads out of the datasets folder`]);
    expect(result.items).toEqual([]);
  }
  const pictures = await resolve({ path: "sub/pics.json" }, { files });
  expect(pictures.media.size).toBe(0);
  expect(told(pictures)).toEqual(
    ["../../secret.png", "link.png", "/etc/hostname"].map(
      (name, index) => `error: item ${index}: ${name} leads out of the datasets folder`,
    ),
  );
  expect(told(await resolve({ path: "a\0b" }, { files }))).toEqual([expect.stringMatching(/NUL/)]);
});

test("below --root no path leads out of it, neither by dots, by links nor by its beginning", async () => {
  await put("secret.jsonl", '{"input":"secret"}');
  await put("secret.png", await picture(2, 2));
  await put("inside/sub/own.jsonl", '{"input":"own"}');
  await put("inside/pics.json", '[{"images": ["../secret.png"]}, {"images": ["link.png"]}]');
  await symlink(join(root, "secret.jsonl"), join(root, "inside/link.jsonl"));
  await symlink(join(root, "secret.png"), join(root, "inside/link.png"));
  await symlink(join(root, "inside"), join(root, "door"));
  const dir = join(root, "door");
  const files: FilePlace = { kind: "local", root: dir, suiteFile: join(root, "s.yaml") };
  const inside = ["sub/own.jsonl", "./sub/../sub/own.jsonl", join(dir, "sub/own.jsonl")];
  for (const path of [...inside, join(root, "inside/sub/own.jsonl")]) {
    const result = await resolve({ path }, { files });
    expect([path, told(result), result.items.length]).toEqual([path, [], 1]);
  }
  for (const path of ["../secret.jsonl", join(root, "secret.jsonl"), "link.jsonl", "/etc/hostname"]) {
    const result = await resolve({ path }, { files });
    expect(result.items).toEqual([]);
    expect(result.findings).toMatchObject([
      { severity: "error", field: "datasets[0]", message: `${path} leads out of ${dir}` },
    ]);
    expect(result.findings[0]?.hint).toContain("--root");
  }
  await put("inside/sub/pics.json", '[{"images": ["../b.png"]}, {"images": ["../none.png"]}]');
  await put("inside/b.png", await picture(3, 3));
  for (const place of [files, { kind: "within", dir } as const]) {
    const beside = await resolve({ path: "sub/pics.json" }, { files: place });
    expect(beside.media.size).toBe(1);
    expect(told(beside)).toEqual(["warning: item 1: picture ../none.png is missing (file not found)"]);
  }
  const pictures = await resolve({ path: "pics.json" }, { files });
  expect(pictures.media.size).toBe(0);
  expect(told(pictures)).toEqual(
    ["../secret.png", "link.png"].map((name, i) => `error: item ${i}: ${name} leads out of ${dir}`),
  );
});

test("without --root, what lies outside of the suite's folder is named before it is uploaded", async () => {
  await put("else/far.jsonl", '{"input":"far"}');
  await put("else/far.png", await picture(2, 2));
  await put("p/suites/s.yaml", "");
  await put("p/sets/rows.json", '[{"images": ["../pics/a.png"]}, {"images": ["b.png"]}]');
  await put("p/pics/a.png", await picture(3, 3));
  await put("p/sets/b.png", await picture(4, 4));
  await symlink(join(root, "else/far.jsonl"), join(root, "p/suites/link.jsonl"));
  const files: FilePlace = { kind: "local", suiteFile: join(root, "p/suites/s.yaml") };
  expect(told(await resolve({ path: "sets/rows.json" }, { files }))).toEqual([]);
  const far = join(root, "else/far.jsonl");
  for (const path of ["../../else/far.jsonl", far, "link.jsonl", far.slice(1)]) {
    const result = await resolve({ path }, { files });
    expect(result.items).toHaveLength(1);
    expect(told(result)).toEqual([
      `warning: ${path} lies outside of the suite's folder and will be read and uploaded: ${far}`,
    ]);
  }
  const one = await resolve({ items: [{ images: ["../../else/far.png"] }] }, { files });
  expect(one.media.size).toBe(1);
  expect(told(one)).toEqual([
    `warning: a picture lies outside of the suite's folder and will be read and uploaded: ${join(root, "else/far.png")}`,
  ]);
});

test("a sample is drawn by its seed, in file order", async () => {
  const items = Array.from({ length: 50 }, (_, i) => ({ input: `q${i}` }));
  const draw = async (seed: number) =>
    (await resolve({ items, sample: { n: 10, seed } })).items.map(({ id }) => Number(id));
  const first = await draw(1);
  expect(first).toHaveLength(10);
  expect(first).toEqual([...first].sort((a, b) => a - b));
  expect(await draw(1)).toEqual(first);
  expect(await draw(2)).not.toEqual(first);
});

test("clusters by a column; a row without it is an error", async () => {
  const result = await resolve({ items: [{ input: "a", site: "s1" }, { input: "b" }], clusterBy: "site" });
  expect(result.items.map(({ cluster }) => cluster)).toEqual(["s1"]);
  expect(told(result)).toEqual(['error: items[1]: there is no column "site" to cluster by']);
});

test("a file with another hash than the suite says is refused", async () => {
  await put("a.jsonl", '{"input":"x"}');
  expect((await resolve({ path: "a.jsonl", sha256: sha256('{"input":"x"}') })).items).toHaveLength(1);
  expect(told(await resolve({ path: "a.jsonl", sha256: "0".repeat(64) }))[0]).toMatch(
    /^error: a\.jsonl has the SHA-256/,
  );
});

test("a type that does not fit the path is an error", async () => {
  await put("a.jsonl", "{}");
  expect(told(await resolve({ path: "a.jsonl", type: "images" }))[0]).toBe(
    "error: a.jsonl is a file, which a dataset of type images is not",
  );
});

test("devices and folders where files belong are refused, not read", async () => {
  const files: FilePlace = { kind: "local", suiteFile: join(root, "s.yaml") };
  expect(told(await resolve({ path: "/dev/zero", type: "jsonl" }, { files }))).toContain(
    "error: /dev/zero is neither a file nor a folder",
  );
  const pictures = await resolve({ items: [{ images: ["/dev/zero", "."] }] }, { files });
  const reason = "is no picture that can be read: it is not a file";
  expect(pictures.items[0]?.media).toEqual([
    { kind: "missing", name: "/dev/zero", reason },
    { kind: "missing", name: ".", reason },
  ]);
});

test("what the file system refuses is an error of the dataset", async () => {
  await put("a.jsonl", "{}");
  const [error] = told(await resolve({ path: "a.jsonl/b.jsonl" }));
  expect(error).toMatch(/not there/);
  await mkdir(join(root, "seq/one"), { recursive: true });
  await put("seq/one/1.png", await picture(2, 2));
  await mkdir(join(root, "seq/one.txt"));
  expect(told(await resolve({ path: "seq" }))[0]).toMatch(/^error: seq cannot be read: EISDIR/);
});
