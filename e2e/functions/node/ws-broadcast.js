module.exports = async (ws, clients) => {
  ws.on('message', (data) => clients.forEach((client) => client.send(String(data))));
};
