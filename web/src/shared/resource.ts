// Load data for a component, and load it again when what it depends on changes.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Resource<Data> {
  /** What was loaded last; it stays while it is loaded again, or if that fails. */
  readonly data: Data | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  readonly reload: () => void;
}

interface Loaded<Data> {
  readonly data: Data | undefined;
  readonly error: unknown;
  readonly busy: boolean;
}

/** Load when `dependencies` change, and at first unless `initial` is there; an answer that arrives too late is ignored. */
export function useResource<Data>(load: (signal: AbortSignal) => Promise<Data>, dependencies: readonly unknown[], initial?: Data | null): Resource<Data> {
  const [loaded, setLoaded] = useState<Loaded<Data>>({ data: initial ?? undefined, error: undefined, busy: !initial });
  const isInitial = useRef(Boolean(initial));
  const [times, setTimes] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (isInitial.current) {
      isInitial.current = false;
      return undefined;
    }
    const controller = new AbortController();
    setLoaded((before) => ({ ...before, busy: true }));
    latest
      .current(controller.signal)
      .then((data) => !controller.signal.aborted && setLoaded({ data, error: undefined, busy: false }))
      .catch((error: unknown) => !controller.signal.aborted && setLoaded((before) => ({ data: before.data, error, busy: false })));
    return () => controller.abort();
  }, [...dependencies, times]);
  const reload = useCallback(() => setTimes((each) => each + 1), []);
  return { ...loaded, reload };
}

export interface Action<Arguments extends readonly unknown[]> {
  readonly run: (...given: Arguments) => Promise<boolean>;
  readonly error: unknown;
  readonly busy: boolean;
  readonly clear: () => void;
}

/** Run a change that a person has asked for; a second click while it runs does nothing. */
export function useAction<Arguments extends readonly unknown[]>(act: (...given: Arguments) => Promise<void>): Action<Arguments> {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  const run = async (...given: Arguments) => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await act(...given);
      return true;
    } catch (refusal) {
      setError(refusal);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { run, error, busy, clear: () => setError(undefined) };
}
