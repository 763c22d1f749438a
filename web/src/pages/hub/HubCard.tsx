/** The card of one version: what it is, what it reads and writes, how it was scored, and what it must not be used for. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { getJson, sendJson } from "../../api/client";
import type { CellSummary } from "../../api/types";
import { bytes, day, figure, interval } from "../../lib/format";
import { Banner, Button, ErrorState, PageHead, Skeleton, Table } from "../../ui";
import { HubBadges } from "./HubPage";
import { partsOf, type BadgeState, type Manifest } from "./hubTypes";

interface Verified {
  badges: { badge: string; passed: boolean; detail: string }[];
  passed?: boolean;
}

const PROSE: { key: "description" | "intended_use" | "limits" | "bias" | "citation"; title: string }[] = [
  { key: "description", title: "What it is" },
  { key: "intended_use", title: "Intended use" },
  { key: "limits", title: "Limits" },
  { key: "bias", title: "Bias" },
  { key: "citation", title: "How to cite it" },
];

export function HubCard({ reference }: { reference: string }) {
  const parts = partsOf(reference);
  const client = useQueryClient();
  const path = parts ? ["", "hub", parts.kind, parts.namespace, parts.name, parts.version].map(encodeURIComponent).join("/") : "";
  const manifest = useQuery({
    queryKey: ["manifest", reference],
    enabled: Boolean(parts),
    queryFn: ({ signal }) => getJson<Manifest>(path, signal),
  });
  const pull = useMutation({
    mutationFn: () => sendJson<CellSummary>("/hub/pull", { ref: reference }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["cells"] }),
  });
  const verify = useMutation({
    mutationFn: () => sendJson<Verified>("/hub/verify", { ref: reference, badges: ["valid", "runs", "reproduces"] }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["hub"] }),
  });

  if (!parts) return <ErrorState error={new Error(`${reference} names no version. A ref reads kind/namespace/name@version.`)} />;
  if (manifest.isPending) return <Skeleton lines={8} />;
  if (manifest.isError) return <ErrorState error={manifest.error} retry={() => void manifest.refetch()} />;
  const found = manifest.data;
  return (
    <>
      <PageHead
        title={found.title || found.name}
        actions={
          <>
            {found.kind === "virtual-cell" && (
              <Button look="primary" busy={pull.isPending} onClick={() => pull.mutate()}>
                Pull it here
              </Button>
            )}
            <Button busy={verify.isPending} onClick={() => verify.mutate()}>
              Verify
            </Button>
          </>
        }
      >
        <span className="mono">{reference}</span>
      </PageHead>
      <div className="stack">
        <p>
          <Link to="/hub">All entries</Link>
        </p>
        {pull.isError && <ErrorState error={pull.error} title="It was not pulled" />}
        {pull.data && (
          <Banner tone="good" title="It is here now" live>
            <p>
              <Link to={`/predict?cell=${encodeURIComponent(pull.data.id)}`}>Ask {pull.data.title || pull.data.name}</Link>
            </p>
          </Banner>
        )}
        {verify.isError && <ErrorState error={verify.error} title="It was not verified" />}
        {verify.data && <Verification said={verify.data} />}
        <Section title="Terms">
          <Facts
            facts={[
              ["Licence", found.licence ?? "not stated"],
              ["Terms of use", found.terms?.length ? found.terms.join(", ") : "none beside the licence"],
              ["Published", day(found.created)],
            ]}
          />
        </Section>
        {PROSE.filter(({ key }) => found[key]).map(({ key, title }) => (
          <Section key={key} title={title}>
            <p style={{ whiteSpace: "pre-wrap" }}>{found[key]}</p>
          </Section>
        ))}
        <Evaluation manifest={found} />
        <Section title="Trained on">
          {found.training?.sets?.length ? (
            <ul>
              {found.training.sets.map((set) => (
                <li key={set.name}>
                  {set.name}
                  {set.licence ? `, ${set.licence}` : ""}
                  {typeof set.donors === "number" ? `, ${set.donors} donors` : ", donors unknown"}
                </li>
              ))}
            </ul>
          ) : (
            <p className="quiet">Not stated.</p>
          )}
          <p className="quiet">Ancestry of donors: {said(found.training?.ancestry)}.</p>
        </Section>
        <Section title="Reads and writes">
          <Facts
            facts={[
              ["Inputs", (found.inputs ?? []).map((port) => `${port.name}: ${port.type}${port.units ? ` in ${port.units}` : ""}`).join("; ") || "–"],
              ["Outputs", (found.outputs ?? []).map((port) => `${port.name}: ${port.type}${port.units ? ` in ${port.units}` : ""}`).join("; ") || "–"],
              ["Spaces read", (found.reads ?? []).map((space) => `${space.space} (${space.scale}, ${space.dim})`).join("; ") || "–"],
              ["Spaces written", (found.writes ?? []).map((space) => `${space.space} (${space.scale}, ${space.dim})`).join("; ") || "–"],
              ["Uncertainty", `${found.uncertainty?.method ?? "unknown"}${found.uncertainty?.calibrated ? ", calibrated" : ", not calibrated"}`],
            ]}
          />
        </Section>
        <details className="card">
          <summary>Files and digests</summary>
          <Table
            caption="Files"
            columns={[
              { key: "path", header: "File", rowHeader: true, value: (file) => file.path, cell: (file) => <span className="mono">{file.path}</span> },
              { key: "bytes", header: "Size", numeric: true, value: (file) => file.bytes, cell: (file) => bytes(file.bytes) },
              { key: "sha", header: "sha256", cell: (file) => <span className="mono small">{file.sha256.replace("sha256:", "").slice(0, 16)}…</span> },
            ]}
            rows={found.files ?? []}
            rowKey={(file) => file.path}
          />
        </details>
      </div>
    </>
  );
}

function Verification({ said }: { said: Verified }) {
  const bad = said.badges.some((each) => !each.passed);
  return (
    <Banner tone={bad ? "bad" : "good"} title={bad ? "It does not hold" : "It was checked now"} live>
      <HubBadges badges={Object.fromEntries(said.badges.map((each) => [each.badge, each.passed])) as Record<string, BadgeState>} />
      <ul>
        {said.badges.map((each) => (
          <li key={each.badge}>{each.detail}</li>
        ))}
      </ul>
    </Banner>
  );
}

function Evaluation({ manifest }: { manifest: Manifest }) {
  const rows = manifest.evaluation ?? [];
  if (rows.length === 0) {
    return (
      <Banner tone="warn" title="Not scored">
        <p>Nobody stated how well it does on what it has not seen. Score it before you rely on it.</p>
      </Banner>
    );
  }
  return (
    <Section title="How it was scored">
      <Table
        caption="Scores"
        columns={[
          { key: "dataset", header: "Data", rowHeader: true, value: (row) => row.dataset, cell: (row) => row.dataset },
          { key: "role", header: "Role", value: (row) => row.dataset_role, cell: (row) => row.dataset_role },
          { key: "metric", header: "Metric", value: (row) => row.metric, cell: (row) => row.metric },
          { key: "value", header: "Value", numeric: true, value: (row) => row.value, cell: (row) => figure(row.value) },
          { key: "interval", header: "Interval", numeric: true, cell: (row) => interval(row.low, row.high) },
        ]}
        rows={rows}
        rowKey={(row) => `${row.dataset} ${row.dataset_role} ${row.metric} ${String(row.value)}`}
      />
    </Section>
  );
}

function said(value: unknown): string {
  if (value === null || value === undefined || value === "unknown") return "unknown";
  if (typeof value === "object") return Object.entries(value).map(([key, count]) => `${key} ${String(count)}`).join(", ");
  return String(value);
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
