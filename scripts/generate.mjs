// Generates shared/gen from proto/ and third_party/proto: TypeScript for our packages and the descriptor set that
// reflection serves. Run it after every change of a .proto; `npm run check` fails when the result is not committed.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const buf = (...args) => execFileSync("node_modules/.bin/buf", args, { cwd: root, stdio: "inherit" });

buf("lint");
buf("generate");
buf("build", "--as-file-descriptor-set", "-o", "shared/gen/sai.binpb");
