module.exports = async (ws, clients) => {
  ws.on('message', (data) => ws.send('echo ' + data));
};
