// SQL: from a parsed statement to a plan. Catalog, binder, optimiser, EXPLAIN and the definition statements.
//
// Catalog/        descriptors, their storage form, and the session's view of them
// SystemCatalog/  pg_catalog and information_schema as computed relations; functions over the catalog
// Binder/         names and types: syntax trees become typed logical trees
// Optimiser/      logical rewriting, statistics, join order, physical choice
// Plan/           the output: typed expressions and physical nodes (start reading here to execute plans)
// Explain/        plans as text
// DDL/            statements that change definitions
