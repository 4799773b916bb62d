// Package postgres is the store of the team: Postgres by pgx, several daemons at once.
package postgres
