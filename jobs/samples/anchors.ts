import { Call, Instance, type Picklable, pickle, uuid } from './pickle.ts';

export type Fields = Record<string, Picklable>;

/** A node or an edge on its way into a session. */
export interface Anchor {
  id: string;
  kind: 'NodeAnchor' | 'EdgeAnchor';
  type: string;
  fields: Fields;
  /** Of a node. */
  edges?: string[];
  /** Of an edge. */
  ends?: [source: string, target: string];
}

const RUNTIME = 'jaclang.runtimelib.archetype';

const stub = (kind: Anchor['kind'], id: string) => new Instance(RUNTIME, kind, { id: uuid(id) });

/** As JAC pickles an anchor: references are anchors that have an id alone. @param root the id of its root node */
export function pickled({ id, kind, type, fields, edges = [], ends }: Anchor, root: string): Buffer {
  const module = type === 'Root' || type === 'GenericEdge' ? RUNTIME : 'main';
  return pickle(
    new Instance(RUNTIME, kind, {
      id: uuid(id),
      archetype: new Instance(module, type, fields),
      root: type === 'Root' ? null : uuid(root),
      access: new Instance(RUNTIME, 'Permission', {
        all: new Call(RUNTIME, 'AccessLevel', -1),
        roots: new Instance(RUNTIME, 'Access', { anchors: {} }),
      }),
      persistent: true,
      ...(ends
        ? { source: stub('NodeAnchor', ends[0]), target: stub('NodeAnchor', ends[1]), is_undirected: false }
        : { edges: edges.map((edge) => stub('EdgeAnchor', edge)) }),
    }),
  );
}
