// gorilla/websocket, as Debian packages it.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return data
}

func main() {
	url, folder, certificate, deflate := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	voice, face := read(folder+"/voice.pcm"), read(folder+"/face.jpg")
	dialer := websocket.Dialer{EnableCompression: deflate == "yes", HandshakeTimeout: 20 * time.Second}
	if certificate != "-" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(read(certificate))
		dialer.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	socket, answer, err := dialer.Dial(url, nil)
	if err != nil {
		panic(err)
	}
	number := uint32(0)
	send := func(kind byte, payload []byte) {
		number++
		header := make([]byte, 5, 5+len(payload))
		header[0] = kind
		binary.LittleEndian.PutUint32(header[1:], number)
		if err := socket.WriteMessage(websocket.BinaryMessage, append(header, payload...)); err != nil {
			panic(err)
		}
	}
	code := 0
	for closing := false; ; {
		_, data, err := socket.ReadMessage()
		if end, ok := err.(*websocket.CloseError); ok {
			code = end.Code
			break
		} else if err != nil {
			panic(err)
		}
		text := string(data)
		fmt.Println(text)
		if closing {
			continue
		}
		if strings.Contains(text, `"type":"ready"`) {
			for at := 0; at < 12; at++ {
				send(1, voice[at*3200:(at+1)*3200])
			}
		} else if strings.Contains(text, `"fused":{"state":"ok"`) {
			closing = true
			last := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := socket.WriteMessage(websocket.CloseMessage, last); err != nil {
				panic(err)
			}
			continue
		} else {
			send(1, voice[38400:48000])
		}
		send(2, face)
	}
	extensions := answer.Header.Get("Sec-Websocket-Extensions")
	fmt.Printf("{\"type\": \"closed\", \"code\": %d, \"extensions\": %q}\n", code, extensions)
}
