/** `sai version`: this program, and the coordinator if one answers. */
import type { Command } from "commander";
import { version } from "../../shared/runtime/version.js";
import type { Client } from "../client.js";
import { withClient } from "../connection.js";
import { printOne } from "../output/print.js";
import type { Bind } from "../program.js";

export function registerVersion(program: Command, bind: Bind): void {
  program
    .command("version")
    .description("this program's version; with --server the coordinator's too")
    .option("--server", "ask the coordinator as well")
    .action(
      bind<{ server?: boolean }>(async (context, _, options) => {
        const server = options.server
          ? await withClient(context, (client: Client) => client.status())
          : undefined;
        await printOne(context, {
          json: { version, node: process.version, ...(server && { server: server.version }) },
          name: version,
          text: () => [
            `sai ${version} (node ${process.version}, ${process.platform} ${process.arch})`,
            ...(server
              ? [`coordinator ${server.version}, cluster ${server.clusterId}, epoch ${server.epoch}`]
              : []),
          ],
        });
      }),
    );
}
