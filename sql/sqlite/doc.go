// Package sqlite is the store of the box with one user: SQLite by modernc.org/sqlite, one
// writing connection, a few reading ones, write-ahead log.
package sqlite
