// Package folder is the data folder of a daemon and how others find the daemon by it.
//
//	DIR/lock           held exclusively while a daemon lives; its text is the daemon's pid
//	DIR/token          the trainers' token, mode 0600, made once and kept
//	DIR/endpoint.json  where the daemon can be reached, mode 0600, only while it is ready
//	DIR/spool/         events of training processes that await their acknowledgement
//
// A killed daemon leaves endpoint.json behind. Nobody holds the lock then, and the file
// counts for nothing.
package folder
