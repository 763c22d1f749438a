import { EmptyState, PageHead } from "../../ui";

export default function PredictPage() {
  return (
    <>
      <PageHead title="Predict" />
      <EmptyState title="Not built yet" />
    </>
  );
}
