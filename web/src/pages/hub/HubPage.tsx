/** What others shared: found, read, fetched and checked here; and one's own cells, published. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { getJson, pathWith } from "../../api/client";
import { useDebounced } from "../../hooks/useDebounced";
import { day } from "../../lib/format";
import { Badge, EmptyState, ErrorState, PageHead, Select, Skeleton, Table, TextField, type Column } from "../../ui";
import { HubCard } from "./HubCard";
import { KINDS, type BadgeState, type HubEntry } from "./hubTypes";
import { PublishForm } from "./PublishForm";

const SAID = {
  valid: "Every file has the digest that the manifest states, and a format that holds no code",
  runs: "It was loaded and answered",
  reproduces: "It answered as it did when it was published, within the stated tolerance",
};

export function HubBadges({ badges }: { badges: HubEntry["badges"] }) {
  return (
    <span className="row" style={{ gap: "0.35rem" }}>
      {(Object.keys(SAID) as (keyof typeof SAID)[]).map((name) => (
        <OneBadge key={name} name={name} state={badges[name]} />
      ))}
    </span>
  );
}

function OneBadge({ name, state }: { name: keyof typeof SAID; state: BadgeState }) {
  if (state === true) return <Badge tone="good" title={SAID[name]}>{`✓ ${name}`}</Badge>;
  if (state === false) return <Badge tone="bad" title={`Not so: ${SAID[name]}`}>{`× ${name}`}</Badge>;
  return <Badge title="Not checked here yet">{`? ${name}`}</Badge>;
}

const COLUMNS: Column<HubEntry>[] = [
  {
    key: "title",
    header: "Entry",
    rowHeader: true,
    value: (entry) => entry.title || entry.name,
    cell: (entry) => (
      <>
        <Link to={`/hub?ref=${encodeURIComponent(entry.ref)}`}>{entry.title || entry.name}</Link>
        <br />
        <span className="small quiet mono">{entry.ref}</span>
      </>
    ),
  },
  { key: "kind", header: "Kind", value: (entry) => entry.kind, cell: (entry) => entry.kind },
  { key: "licence", header: "Licence", value: (entry) => entry.licence, cell: (entry) => entry.licence },
  { key: "badges", header: "Checked", cell: (entry) => <HubBadges badges={entry.badges} /> },
  { key: "created", header: "Published", value: (entry) => String(entry.created), cell: (entry) => day(entry.created) },
];

export default function HubPage() {
  const [params] = useSearchParams();
  const ref = params.get("ref");
  if (ref) return <HubCard reference={ref} />;
  return <HubSearch publish={params.has("publish")} />;
}

function HubSearch({ publish }: { publish: boolean }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("");
  const asked = useDebounced(text.trim());
  const found = useQuery({
    queryKey: ["hub", asked, kind],
    queryFn: ({ signal }) => getJson<{ entries: HubEntry[] }>(pathWith("/hub/search", { text: asked, kind }), signal),
  });
  return (
    <>
      <PageHead title="Hub">Virtual cells, instruments, cards and benchmarks that others shared. Every file is checked against its digest.</PageHead>
      <div className="stack">
        <div className="split" style={{ maxWidth: "46rem" }}>
          <TextField label="Search" type="search" value={text} onChange={(event) => setText(event.target.value)} />
          <Select
            label="Kind"
            value={kind}
            onChange={(event) => setKind(event.target.value)}
            choices={[{ value: "", label: "all kinds" }, ...KINDS.map((value) => ({ value, label: value }))]}
          />
        </div>
        {found.isPending && <Skeleton lines={5} />}
        {found.isError && <ErrorState error={found.error} retry={() => void found.refetch()} />}
        {found.data &&
          (found.data.entries.length ? (
            <Table caption="Entries of the hub" columns={COLUMNS} rows={found.data.entries} rowKey={(entry) => entry.ref} />
          ) : (
            <EmptyState title={asked || kind ? "Nothing of that kind" : "The hub is empty"}>
              <p>{asked || kind ? "Ask with fewer words, or for all kinds." : "Publish a virtual cell below, so that others can find and check it."}</p>
            </EmptyState>
          ))}
        <PublishForm open={publish} />
      </div>
    </>
  );
}
