/**
 * A sorted map whose versions stay: whoever keeps a root keeps the map as it was, for the memory of what changed since.
 * That makes every revision of the store a pointer, so that listings are pinned to one for free. A B+ tree.
 *
 * 1. Each change names its edit, a number. A node made under the same edit is changed in place, any other is copied
 *    first. So a transaction of a hundred neighbouring keys copies a handful of nodes, and an older root never changes.
 * 2. An inner node's key i is at most the smallest key below its child i, and above all keys below child i − 1.
 * 3. Keys order as their UTF-8 bytes do.
 */

interface Node<V> {
  readonly edit: number;
  readonly keys: string[];
  /** Of a leaf, one for each key. */
  readonly values: V[];
  /** Of an inner node, one for each key. */
  readonly children: Node<V>[] | undefined;
}
export type Tree<V> = Node<V> | undefined;

const WIDTH = 64;

/** Bytewise order of the UTF-8 forms: negative, 0 or positive. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  return sortable(a) < sortable(b) ? -1 : 1;
}

export function find<V>(tree: Tree<V>, key: string): V | undefined {
  const wanted = sortable(key);
  let node = tree;
  while (node?.children) node = node.children[childFor(node.keys, wanted)];
  if (!node) return undefined;
  const at = lowerBound(node.keys, wanted);
  return node.keys[at] === wanted ? node.values[at] : undefined;
}

/** The map with `key`; nodes of `edit` are changed in place (invariant 1). */
export function insert<V>(tree: Tree<V>, key: string, value: V, edit: number): Tree<V> {
  const wanted = sortable(key);
  if (!tree) return { edit, keys: [wanted], values: [value], children: undefined };
  const root = own(tree, edit);
  const right = put(root, wanted, value, edit);
  if (!right) return root;
  return { edit, keys: [firstKey(root), firstKey(right)], values: [], children: [root, right] };
}

/** The map without `key`; nodes of `edit` are changed in place (invariant 1). */
export function remove<V>(tree: Tree<V>, key: string, edit: number): Tree<V> {
  const wanted = sortable(key);
  if (!tree || find(tree, key) === undefined) return tree;
  let root: Tree<V> = own(tree, edit);
  drop(root, wanted, edit);
  while (root?.children && root.children.length <= 1) root = root.children[0];
  return root && root.keys.length > 0 ? root : undefined;
}

/** Values with from ≤ key < to in order; no `to` means to the end. Goes on where it was, also much later. */
export function* between<V>(tree: Tree<V>, from: string, to?: string): Generator<V, void, undefined> {
  if (!tree) return;
  const start = sortable(from);
  const end = to === undefined ? undefined : sortable(to);
  // The nodes on the way down and what of each comes next.
  const path: { node: Node<V>; next: number }[] = [];
  let down: Node<V> | undefined = tree;
  while (down) {
    const next: number = down.children ? childFor(down.keys, start) : lowerBound(down.keys, start);
    path.push({ node: down, next: down.children ? next + 1 : next });
    down = down.children?.[next];
  }
  for (let step = path.at(-1); step; step = path.at(-1)) {
    const { node } = step;
    const at = step.next++;
    if (at >= node.keys.length) path.pop();
    else if (node.children) path.push({ node: node.children[at] as Node<V>, next: 0 });
    else if (end !== undefined && (node.keys[at] as string) >= end) return;
    else yield node.values[at] as V;
  }
}

/**
 * A key's form that JavaScript's own comparison orders as UTF-8: that compares UTF-16 units, which puts surrogates
 * (U+10000 and up) before U+E000 … U+FFFF, so the two swap places. Nearly every key is its own form.
 */
function sortable(key: string): string {
  if (!/[\ud800-\uffff]/.test(key)) return key;
  const units = Array.from({ length: key.length }, (_, i) => key.charCodeAt(i));
  return String.fromCharCode(...units.map((u) => (u >= 0xe000 ? u - 0x800 : u >= 0xd800 ? u + 0x2000 : u)));
}

/** The first position whose key is not below `wanted`. */
function lowerBound(keys: readonly string[], wanted: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child below which `wanted` is, or belongs: the last whose key is not above it, or the first. */
function childFor(keys: readonly string[], wanted: string): number {
  const at = lowerBound(keys, wanted);
  return keys[at] === wanted ? at : Math.max(0, at - 1);
}

const firstKey = (node: Node<unknown>): string => node.keys[0] as string;

/** The node itself if it is of this edit, else a copy that is. */
function own<V>(node: Node<V>, edit: number): Node<V> {
  if (node.edit === edit) return node;
  return { edit, keys: node.keys.slice(), values: node.values.slice(), children: node.children?.slice() };
}

/** Puts into a node that is ours; a node that became too wide gives what is to stand right of it. */
function put<V>(node: Node<V>, key: string, value: V, edit: number): Node<V> | undefined {
  const { keys, children } = node;
  let at: number;
  if (children) {
    const below = childFor(keys, key);
    const child = own(children[below] as Node<V>, edit);
    children[below] = child;
    const right = put(child, key, value, edit);
    if (key < (keys[below] as string)) keys[below] = key;
    if (!right) return undefined;
    at = below + 1;
    insertAt(keys, at, firstKey(right));
    insertAt(children, at, right);
  } else {
    at = lowerBound(keys, key);
    if (keys[at] === key) {
      node.values[at] = value;
      return undefined;
    }
    insertAt(keys, at, key);
    insertAt(node.values, at, value);
  }
  if (keys.length <= WIDTH) return undefined;
  // Keys that come in order leave full nodes behind; others leave halves.
  const cut = at === keys.length - 1 ? at : keys.length >> 1;
  return { edit, keys: keys.splice(cut), values: node.values.splice(cut), children: children?.splice(cut) };
}

function insertAt<T>(list: T[], at: number, item: T): void {
  if (at === list.length) list.push(item);
  else list.splice(at, 0, item);
}

/** Removes a key that is there from a node that is ours. */
function drop<V>(node: Node<V>, key: string, edit: number): void {
  const { keys, children } = node;
  if (!children) {
    const at = lowerBound(keys, key);
    keys.splice(at, 1);
    node.values.splice(at, 1);
    return;
  }
  const at = childFor(keys, key);
  const child = own(children[at] as Node<V>, edit);
  children[at] = child;
  drop(child, key, edit);
  if (child.keys.length === 0) {
    keys.splice(at, 1);
    children.splice(at, 1);
  } else if (child.keys.length < WIDTH / 4) join(node, Math.max(0, at - 1), edit);
}

/** Makes one node of two neighbours that have become small. */
function join<V>(parent: Node<V>, at: number, edit: number): void {
  const { keys, children = [] } = parent;
  const left = children[at];
  const right = children[at + 1];
  if (!left || !right || left.keys.length + right.keys.length > WIDTH / 2) return;
  const joined = own(left, edit);
  joined.keys.push(...right.keys);
  joined.values.push(...right.values);
  joined.children?.push(...(right.children ?? []));
  children[at] = joined;
  keys.splice(at + 1, 1);
  children.splice(at + 1, 1);
}
