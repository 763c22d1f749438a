import { EmptyState, PageHead } from "../../ui";

export default function SettingsPage() {
  return (
    <>
      <PageHead title="Settings" />
      <EmptyState title="Not built yet" />
    </>
  );
}
