import { Link } from "react-router";
import { EmptyState, PageHead } from "../../ui";

export default function NotFoundPage() {
  return (
    <>
      <PageHead title="No such page" />
      <EmptyState title="There is no page at this address">
        <p>
          Go to the <Link to="/cells">cells</Link>, or choose a page from the navigation.
        </p>
      </EmptyState>
    </>
  );
}
