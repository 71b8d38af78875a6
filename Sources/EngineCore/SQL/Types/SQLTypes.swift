// SQLTypes: what a value is. Types with PostgreSQL's OIDs, their physical forms, vectors of values, text and binary
// input and output, casts, operators, functions and aggregates. Knows nothing of storage, plans or sessions.
//
// Core/       type OIDs and the type table, cells, datums, vectors, selections, the evaluation context
// Functions/  the declarations of functions, operators, casts and aggregates, and their resolution
// Keys/       comparison, hashing and the memory-comparable key encoding
// IO/         text and binary forms of every type
// Numeric/    exact decimals          DateTime/  dates, times, intervals, time zones
// Text/       strings, patterns, regular expressions          Arrays/  arrays and row values
//
// Source of the names and numbers: PostgreSQL 15, pg_type, pg_proc, pg_operator, pg_cast, pg_aggregate.
