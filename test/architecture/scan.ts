/**
 * What one source file reaches for, read from its syntax tree, so that comments and strings do not count: the modules
 * it imports and the globals it names.
 */
import { posix } from "node:path";
import ts from "typescript";

export interface Reach {
  /** Project files as `shared/domain/ids.ts`, packages as `zod` or `@grpc/grpc-js`, Node's as `node:fs`. */
  imports: { target: string; line: number }[];
  /** Free names (`Date`), members of a free name (`Math.random`) and called methods (`.txn`). */
  uses: { name: string; line: number }[];
}

/** `file` is relative to the project root with forward slashes; `text` is its content. */
export function scan(file: string, text: string): Reach {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const reach: Reach = { imports: [], uses: [] };
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const imported = (node: ts.Node, specifier: string) =>
    reach.imports.push({ target: resolve(file, specifier), line: lineOf(node) });
  const used = (node: ts.Node, name: string) => reach.uses.push({ name, line: lineOf(node) });

  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      if (ts.isStringLiteral(node.moduleSpecifier)) imported(node, node.moduleSpecifier.text);
      return;
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) imported(node, node.argument.literal.text);
    }
    if (ts.isCallExpression(node)) {
      const [argument] = node.arguments;
      const dynamic = node.expression.kind === ts.SyntaxKind.ImportKeyword;
      const required = ts.isIdentifier(node.expression) && node.expression.text === "require";
      if ((dynamic || required) && argument && ts.isStringLiteralLike(argument))
        imported(node, argument.text);
      if (ts.isPropertyAccessExpression(node.expression)) used(node, `.${node.expression.name.text}`);
    }
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      used(node, `${node.expression.text}.${node.name.text}`);
    }
    if (ts.isIdentifier(node) && isFree(node)) used(node, node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return reach;
}

/** False for names that only label a member: `a.Date`, `{ Date: 1 }`, `interface X { Date: … }`. */
function isFree(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.name !== node;
  if (ts.isQualifiedName(parent)) return parent.right !== node;
  if (ts.isBindingElement(parent)) return parent.propertyName !== node;
  const member =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isEnumMember(parent);
  return !(member && parent.name === node);
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith(".")) {
    return posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts");
  }
  if (specifier.startsWith("node:")) return specifier.split("/")[0] ?? specifier;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
