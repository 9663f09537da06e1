# The user agent of Mojolicious, as Debian packages it; without TLS, for which it needs a package more.
use v5.30;
use Mojo::File qw(path);
use Mojo::JSON qw(encode_json);
use Mojo::UserAgent;

my ($url, $folder, $certificate, $deflate) = @ARGV;
my ($voice, $face) = map { path("$folder/$_")->slurp } qw(voice.pcm face.jpg);
$| = 1;
my $agent = Mojo::UserAgent->new;
$agent->on(start => sub {
  my ($agent, $transaction) = @_;
  $transaction->req->headers->remove('Sec-WebSocket-Extensions') if $deflate eq 'no';
});
my $headers = $deflate eq 'yes' ? {'Sec-WebSocket-Extensions' => 'permessage-deflate'} : {};
$agent->websocket($url => $headers => sub {
  my ($agent, $socket) = @_;
  die 'no handshake: ' . ($socket->res->code // '') unless $socket->is_websocket;
  my $number = 0;
  my $send   = sub { my ($kind, $payload) = @_; $socket->send({binary => pack('CV', $kind, ++$number) . $payload}) };
  my $extensions = $socket->res->headers->sec_websocket_extensions // '';
  $socket->on(finish => sub {
    my ($socket, $code) = @_;
    say encode_json({type => 'closed', code => $code, extensions => $extensions});
    Mojo::IOLoop->stop;
  });
  $socket->on(text => sub {
    my ($socket, $text) = @_;
    say $text;
    if ($text =~ /"type":"ready"/) { $send->(1, substr $voice, $_ * 3200, 3200) for 0 .. 11 }
    elsif ($text =~ /"fused":\{"state":"ok"/) { return $socket->finish(1000) }
    else                                      { $send->(1, substr $voice, 38400, 9600) }
    $send->(2, $face);
  });
});
Mojo::IOLoop->start;
