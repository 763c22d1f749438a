import { useEffect, useState } from "react";

/** A value once it has rested, so that typing does not ask at every letter. */
export function useDebounced<T>(value: T, milliseconds = 180): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return rested;
}
