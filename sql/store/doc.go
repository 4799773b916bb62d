// Package store says what the program keeps and how it is asked for: the records, the
// Store that sql/postgres and sql/sqlite implement, and the one transaction of ingest.
// No type of a database driver crosses it.
package store
