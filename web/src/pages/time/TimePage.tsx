import { EmptyState, PageHead } from "../../ui";

export default function TimePage() {
  return (
    <>
      <PageHead title="Time" />
      <EmptyState title="Not built yet" />
    </>
  );
}
