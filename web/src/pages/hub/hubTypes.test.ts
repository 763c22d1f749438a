import { describe, expect, it } from "vitest";
import { partsOf } from "./hubTypes";

describe("refs", () => {
  it("are taken apart", () => {
    expect(partsOf("virtual-cell/lab/ifn@1.0.0")).toEqual({ kind: "virtual-cell", namespace: "lab", name: "ifn", version: "1.0.0" });
    expect(partsOf("decoder/a/b@2#sha256:00")?.version).toBe("2");
    expect(partsOf("a/../b")).toBeNull();
  });
});
