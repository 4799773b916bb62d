// Package notifytest holds stand-ins of the services that messages go to: Slack's web API
// and incoming webhooks, a mail server, and a webhook receiver. They record what they got,
// in order, and can be told to fail in the ways that services do. They speak the services'
// own protocols on a loopback address, so that whole programs can be pointed at them.
package notifytest
