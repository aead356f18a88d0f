/**
 * A sorted map that never changes: every put or removal gives a new root that shares all but O(log n) nodes with the
 * old one. That makes every revision of the memory store a pointer, so listings are pinned to one for free. An AVL tree.
 */

export interface Node<V> {
  readonly key: string;
  readonly value: V;
  readonly left: Tree<V>;
  readonly right: Tree<V>;
  readonly height: number;
}
export type Tree<V> = Node<V> | undefined;

/**
 * Bytewise order of the UTF-8 forms. JavaScript compares UTF-16 units, which puts surrogate pairs (U+10000 and up)
 * before U+E000 … U+FFFF; UTF-8 has them after.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

export function find<V>(tree: Tree<V>, key: string): V | undefined {
  let node = tree;
  while (node) {
    const order = compareKeys(key, node.key);
    if (order === 0) return node.value;
    node = order < 0 ? node.left : node.right;
  }
  return undefined;
}

export function insert<V>(tree: Tree<V>, key: string, value: V): Node<V> {
  if (!tree) return node(key, value, undefined, undefined);
  const order = compareKeys(key, tree.key);
  if (order === 0) return node(key, value, tree.left, tree.right);
  return order < 0
    ? balance(tree.key, tree.value, insert(tree.left, key, value), tree.right)
    : balance(tree.key, tree.value, tree.left, insert(tree.right, key, value));
}

export function remove<V>(tree: Tree<V>, key: string): Tree<V> {
  if (!tree) return undefined;
  const order = compareKeys(key, tree.key);
  if (order < 0) return balance(tree.key, tree.value, remove(tree.left, key), tree.right);
  if (order > 0) return balance(tree.key, tree.value, tree.left, remove(tree.right, key));
  if (!tree.left) return tree.right;
  if (!tree.right) return tree.left;
  const next = first(tree.right);
  return balance(next.key, next.value, tree.left, remove(tree.right, next.key));
}

/** Values with from ≤ key < to in order; no `to` means to the end. */
export function* between<V>(tree: Tree<V>, from: string, to?: string): Generator<V, void, undefined> {
  // The path of nodes still to be visited, nearest last: no recursion, so a page can stop and go on cheaply.
  const path: Node<V>[] = [];
  const descend = (start: Tree<V>) => {
    let at = start;
    while (at) {
      if (compareKeys(at.key, from) < 0) at = at.right;
      else {
        path.push(at);
        at = at.left;
      }
    }
  };
  descend(tree);
  for (let at = path.pop(); at; at = path.pop()) {
    if (to !== undefined && compareKeys(at.key, to) >= 0) return;
    yield at.value;
    descend(at.right);
  }
}

const height = (tree: Tree<unknown>): number => tree?.height ?? 0;

function node<V>(key: string, value: V, left: Tree<V>, right: Tree<V>): Node<V> {
  return { key, value, left, right, height: 1 + Math.max(height(left), height(right)) };
}

/** A node whose subtrees differ in height by at most 2, rotated so that they differ by at most 1. */
function balance<V>(key: string, value: V, left: Tree<V>, right: Tree<V>): Node<V> {
  const lean = height(left) - height(right);
  if (lean > 1 && left) {
    if (height(left.left) >= height(left.right)) {
      return node(left.key, left.value, left.left, node(key, value, left.right, right));
    }
    const pivot = left.right;
    if (pivot) {
      const low = node(left.key, left.value, left.left, pivot.left);
      return node(pivot.key, pivot.value, low, node(key, value, pivot.right, right));
    }
  }
  if (lean < -1 && right) {
    if (height(right.right) >= height(right.left)) {
      return node(right.key, right.value, node(key, value, left, right.left), right.right);
    }
    const pivot = right.left;
    if (pivot) {
      const high = node(right.key, right.value, pivot.right, right.right);
      return node(pivot.key, pivot.value, node(key, value, left, pivot.left), high);
    }
  }
  return node(key, value, left, right);
}

function first<V>(start: Node<V>): Node<V> {
  let at = start;
  while (at.left) at = at.left;
  return at;
}
