/** Whether the page is dark, for colours that are numbers and not names. */
import { useEffect, useState } from "react";
import { isDark } from "../shell/theme";

export function useDark(): boolean {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const update = () => setDark(isDark());
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    window.addEventListener("aivc-theme", update);
    system.addEventListener("change", update);
    return () => {
      window.removeEventListener("aivc-theme", update);
      system.removeEventListener("change", update);
    };
  }, []);
  return dark;
}
