/**
 * Goes into a process of the program before its own code (`--import`), as the part of its machine that turns bad when a
 * test says so, by a file in the folder BAD_PARTS. Nothing is changed while there is no such file.
 *
 *   <name>.device   the node's device is bad: "dies" — each sample ends its engine's process, as when a driver crashes;
 *                   "loads nothing" — no model can be loaded that is not yet
 *   store           a write to the artifact store comes out short, of two blobs of three: this share reaches the file
 *                   system, and the writer is told that all did; <name>.cuts has a line for each
 */
import { appendFileSync, readFileSync } from "node:fs";
import fs from "node:fs/promises";
import { register, syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

const { BAD_PARTS: folder, BAD_PARTS_NAME: name, SAI_ARTIFACTS_DIR: artifacts } = process.env;

/** What a file of the folder says; undefined without one. */
const said = (file) => {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return undefined;
  }
};

let blobs = 0;
const open = fs.open;
fs.open = async (path, flags, mode) => {
  const file = await open(path, flags, mode);
  if (flags !== "wx" || !String(path).startsWith(artifacts)) return file;
  const write = file.writeFile.bind(file);
  file.writeFile = async (data) => {
    const share = said("store");
    if (share === undefined || blobs++ % 3 === 0) return write(data);
    await write(data.subarray(0, Math.floor(data.byteLength * Number(share))));
    appendFileSync(join(folder, `${name}.cuts`), `${path}\n`);
  };
  return file;
};
syncBuiltinESMExports();

globalThis.badDevice = () => said(`${name}.device`);
register("./engine.mjs", import.meta.url);
