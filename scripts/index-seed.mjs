// Completes dist/ with the embedded results index's seed: a PGlite database with the index's tables and nothing in them.
// Unpacking it takes a third of the time that making one does (coordinator/index/pglite.ts). Left alone when the
// migrations and PGlite are those it was made by.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "dist/coordinator/index");
const hash = createHash("sha256");
for (const name of readdirSync(join(folder, "migrations")).sort())
  hash.update(name).update(readFileSync(join(folder, "migrations", name)));
hash.update(readFileSync(join(root, "node_modules/@electric-sql/pglite/package.json")));
const madeOf = hash.digest("hex");
const [seed, mark] = [join(folder, "seed.tgz"), join(folder, "seed.made-of")];

if (!existsSync(seed) || !existsSync(mark) || readFileSync(mark, "utf8") !== madeOf) {
  const { pgliteImage } = await import(join(folder, "pglite.js"));
  const { migrate } = await import(join(folder, "migrate.js"));
  writeFileSync(seed, await pgliteImage(migrate));
  writeFileSync(mark, madeOf);
}
