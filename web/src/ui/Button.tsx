import type { ButtonHTMLAttributes } from "react";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: "primary" | "plain" | "danger" | "ordinary";
  compact?: boolean;
  /** Says that the work runs: the button waits, and a screen reader hears it. */
  busy?: boolean;
}

export function Button({ look = "ordinary", compact = false, busy = false, className = "", disabled, type = "button", ...rest }: ButtonProps) {
  const classes = ["button", look === "ordinary" ? "" : look, compact ? "compact" : "", className].filter(Boolean).join(" ");
  return <button type={type} className={classes} disabled={disabled || busy} aria-busy={busy || undefined} {...rest} />;
}
