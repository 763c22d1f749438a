/** Virtual cells and the data they come from: look, bring data, fit. */
import { Link, Route, Routes } from "react-router";
import { useDatasets, useSession } from "../../hooks/queries";
import { useChosenCell } from "../../hooks/useChosenCell";
import { count, many } from "../../lib/format";
import { spokenSource } from "../../components/CellPicker";
import { Badge, EmptyState, ErrorState, PageHead, Skeleton } from "../../ui";
import { CellCard } from "./CellCard";
import "./cells.css";
import { DatasetPage } from "./DatasetPage";
import { UploadPage } from "./UploadPage";

export default function CellsPage() {
  return (
    <Routes>
      <Route path="new" element={<UploadPage />} />
      <Route path="data/:dataset" element={<DatasetPage />} />
      <Route path="*" element={<Overview />} />
    </Routes>
  );
}

function Overview() {
  const { id, cells, cell, choose } = useChosenCell();
  const session = useSession();
  const mayUpload = session.data?.page_features.upload === true;
  return (
    <>
      <PageHead
        title="Cells"
        actions={
          mayUpload && (
            <Link className="button primary" to="/cells/new">
              Use your own data
            </Link>
          )
        }
      >
        A virtual cell is a model fitted on one experiment. It predicts what perturbations do that were not measured.
      </PageHead>
      {cells.error ? (
        <ErrorState title="The cells could not be listed" error={cells.error} retry={() => void cells.refetch()} />
      ) : (
        <div className="side">
          <div className="stack">
            <nav className="card" aria-label="Virtual cells">
              <h2>Virtual cells</h2>
              {cells.isPending && <Skeleton lines={4} label="Loading the cells" />}
              <ul className="pick-list">
                {cells.data?.map((each) => (
                  <li key={each.id}>
                    <button type="button" aria-current={each.id === id ? "true" : undefined} onClick={() => choose(each.id)}>
                      <strong>{each.title || each.name}</strong>
                      <span className="small quiet">
                        {spokenSource(each.source)} · {many(each.perturbations, "perturbation")}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
              {cells.data?.length === 0 && <p className="quiet">None yet. Fit one from your own data, or take one from the Hub.</p>}
            </nav>
            <DataList />
          </div>
          {cell.error ? (
            <ErrorState title="The cell could not be opened" error={cell.error} retry={() => void cell.refetch()} />
          ) : cell.data ? (
            <CellCard cell={cell.data} />
          ) : cells.data?.length === 0 ? (
            <EmptyState title="There is no virtual cell yet">
              <p>
                <Link to="/cells/new">Bring an .h5ad file</Link> of a perturbation experiment, or start the service with <code>aivc demo</code> first.
              </p>
            </EmptyState>
          ) : (
            <Skeleton height="24rem" label="Loading the cell" />
          )}
        </div>
      )}
    </>
  );
}

const STATES = { asked: "needs answers", ready: "ready", refused: "refused" } as const;

function DataList() {
  const datasets = useDatasets();
  return (
    <nav className="card" aria-label="Datasets">
      <h2>Your data</h2>
      {datasets.isPending && <Skeleton lines={2} label="Loading the datasets" />}
      {datasets.error && <ErrorState title="The datasets could not be listed" error={datasets.error} />}
      {datasets.data?.length === 0 && <p className="quiet">Nothing was brought yet.</p>}
      <ul className="pick-list">
        {datasets.data?.map((each) => (
          <li key={each.id}>
            <Link to={`/cells/data/${encodeURIComponent(each.id)}`}>
              <strong>{each.name}</strong>
              <span className="small quiet row">
                {each.cells > 0 && `${count(each.cells)} cells`}
                <Badge tone={each.state === "ready" ? "good" : each.state === "asked" ? "warn" : "bad"}>{STATES[each.state]}</Badge>
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
