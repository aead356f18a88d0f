import * as crypto from "node:crypto";

type OneShot = (algorithm: string, data: string | Uint8Array, encoding: "hex") => string;

/** Costs a third of an object that could be fed in pieces; Node has it since 20.12. */
const oneShot = (crypto as { hash?: OneShot }).hash;

/** Hex SHA-256 of text (as UTF-8) or bytes. */
export const sha256: (data: string | Uint8Array) => string = oneShot
  ? (data) => oneShot("sha256", data, "hex")
  : (data) => crypto.createHash("sha256").update(data).digest("hex");
