export { Button } from "./Button";
export { Combobox } from "./Combobox";
export { Check, Field, Select, TextField, type Choice } from "./Field";
export { Badge, Banner, EmptyState, ErrorState, Skeleton, type Tone } from "./states";
export { Table, type Column } from "./Table";
export { Tabs, type Tab } from "./Tabs";
export { PageHead } from "./PageHead";
