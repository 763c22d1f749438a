import { EmptyState, PageHead } from "../../ui";

export default function ImagesPage() {
  return (
    <>
      <PageHead title="Images" />
      <EmptyState title="Not built yet" />
    </>
  );
}
